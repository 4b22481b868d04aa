#include "run/fixes_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/shell.h"
#include "base/text.h"
#include "base/toml.h"

namespace headrace::run {
namespace {

constexpr std::int64_t fixes_version = 1;

// A basic string of TOML is one of JSON in which the character DEL is escaped too.
std::string toml_text(const std::string& text) {
    std::string quoted = nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    for (std::size_t at = quoted.find('\x7f'); at != std::string::npos; at = quoted.find('\x7f', at)) {
        quoted.replace(at, 1, "\\u007f");
    }
    return quoted;
}

std::string toml_number(double number) {
    const std::string text = fmt::format("{}", number);
    return text.find_first_of(".einf") == std::string::npos ? text + ".0" : text;
}

std::string interval_toml(const Interval& interval) {
    return fmt::format("{{ ratio = {}, low = {}, high = {} }}", toml_number(interval.predicted),
                       toml_number(interval.low), toml_number(interval.high));
}

// The settings of an inline table, in order.
class Settings {
public:
    template <class T>
    void add(std::string_view key, const std::optional<T>& value) {
        if (!value) return;
        if constexpr (std::is_same_v<T, std::string>) {
            words_.push_back(fmt::format("{} = {}", key, toml_text(*value)));
        } else {
            words_.push_back(fmt::format("{} = {}", key, *value));
        }
    }
    std::string text() const { return fmt::format("{{ {} }}", fmt::join(words_, ", ")); }
    bool empty() const { return words_.empty(); }

private:
    std::vector<std::string> words_;
};

std::string set_toml(const Fix& fix) {
    Settings settings;
    settings.add("workers", fix.workers);
    settings.add("prefetch_factor", fix.prefetch_factor);
    settings.add("persistent_workers", fix.persistent_workers);
    settings.add("batch_size", fix.batch_size);
    settings.add("threads", fix.threads);
    settings.add("precision", fix.precision);
    settings.add("cache_bytes", fix.cache_bytes);
    return settings.text();
}

std::string loader_toml(const ProvenLoader& loader) {
    std::string text = "[fix.loader]\n";
    text += fmt::format("file = {}\nline = {}\nsampler = {}\n", toml_text(loader.site.file), loader.site.line,
                        toml_text(loader.site.sampler));
    if (!loader.call.empty()) text += fmt::format("call = {}\n", toml_text(loader.call));
    Settings was;
    was.add("workers", loader.was.workers);
    was.add("prefetch_factor", loader.was.prefetch_factor);
    was.add("persistent_workers", loader.was.persistent_workers);
    was.add("batch_size", loader.was.batch_size);
    if (!was.empty()) text += fmt::format("was = {}\n", was.text());
    return text;
}

std::string proof_comment(const ProvenFix& fix) {
    const Proof& proof = fix.proof;
    const std::string predicted = proof.predicted ? "predicted " + ratio_words(*proof.predicted) + ", " : "";
    return fmt::format("# {}\n# {}measured {}: {} pairs of {} steps on {}, on {}\n", as_arguments(fix.fix), predicted,
                       ratio_words(proof.measured), proof.pairs, proof.steps, base::printable(proof.date),
                       base::printable(proof.host));
}

std::string fix_toml(const ProvenFix& fix) {
    std::string text = "\n" + proof_comment(fix);
    text += fmt::format("[[fix]]\nid = {}\nchanges = \"{}\"\nset = {}\n", toml_text(fix.id), name(fix.changes),
                        set_toml(fix.fix));
    if (fix.loader) text += loader_toml(*fix.loader);
    text += "[fix.proof]\n";
    if (fix.proof.predicted) text += fmt::format("predicted = {}\n", interval_toml(*fix.proof.predicted));
    text +=
        fmt::format("measured = {}\npairs = {}\nsteps = {}\ndate = {}\nhost = {}\n", interval_toml(fix.proof.measured),
                    fix.proof.pairs, fix.proof.steps, toml_text(fix.proof.date), toml_text(fix.proof.host));
    return text;
}

// Reads one table after the other; the first thing that is wrong is kept, and all that follows is left.
class FixesReader {
public:
    explicit FixesReader(const std::string& file) : file_(file) {}

    Result<ProvenFixes> read(const toml::table& root);

private:
    void wrong(const toml::node& node, const std::string& what);
    void known(const toml::table& table, std::initializer_list<std::string_view> keys, const std::string& path);
    const toml::table* table_in(const toml::table& table, std::string_view key, const std::string& path, bool needed);
    std::string text_in(const toml::table& table, std::string_view key, const std::string& path, bool needed = true);
    double number_in(const toml::table& table, std::string_view key, const std::string& path);
    std::optional<std::uint64_t> count_in(const toml::table& table, std::string_view key, const std::string& path,
                                          std::uint64_t least);
    std::optional<bool> flag_in(const toml::table& table, std::string_view key, const std::string& path);
    std::optional<Interval> interval_in(const toml::table& table, std::string_view key, bool needed);

    Machine machine(const toml::table& table);
    ProvenFix fix(const toml::table& table);
    Fix settings(const toml::table& table);
    ProvenLoader loader(const toml::table& table);
    Proof proof(const toml::table& table);
    Changes changes(const toml::table& table);

    const std::string& file_;
    std::optional<Error> error_;
};

void FixesReader::wrong(const toml::node& node, const std::string& what) {
    if (error_) return;
    error_ = Error{ErrorCode::invalid_argument, fmt::format("{}, line {}: {}", file_, node.source().begin.line, what)};
}

void FixesReader::known(const toml::table& table, std::initializer_list<std::string_view> keys,
                        const std::string& path) {
    if (Result<void> good = base::only_keys(table, keys, file_, path); !good && !error_) error_ = good.error();
}

const toml::table* FixesReader::table_in(const toml::table& table, std::string_view key, const std::string& path,
                                         bool needed) {
    const toml::node* node = table.get(key);
    const toml::table* found = node != nullptr ? node->as_table() : nullptr;
    if (found == nullptr && (needed || node != nullptr)) {
        wrong(node != nullptr ? *node : table, fmt::format("{}{} is to be a table", path, key));
    }
    return found;
}

std::string FixesReader::text_in(const toml::table& table, std::string_view key, const std::string& path, bool needed) {
    const Result<std::optional<std::string>> text = base::text_of(table, key, file_, path);
    if (!text && !error_) error_ = text.error();
    if (text && !*text && needed) wrong(table, fmt::format("{}{} is missing", path, key));
    return text ? text->value_or("") : "";
}

double FixesReader::number_in(const toml::table& table, std::string_view key, const std::string& path) {
    const Result<std::optional<double>> number = base::number_above_0(table, key, file_, path);
    if (!number && !error_) error_ = number.error();
    if (number && !*number) wrong(table, fmt::format("{}{} is missing", path, key));
    return number ? number->value_or(0) : 0;
}

std::optional<std::uint64_t> FixesReader::count_in(const toml::table& table, std::string_view key,
                                                   const std::string& path, std::uint64_t least) {
    constexpr std::int64_t most = std::int64_t{1} << 60;
    const toml::node* node = table.get(key);
    if (node == nullptr) return std::nullopt;
    const std::optional<std::int64_t> number = node->value_exact<std::int64_t>();
    if (number && *number >= static_cast<std::int64_t>(least) && *number <= most) {
        return static_cast<std::uint64_t>(*number);
    }
    wrong(*node, fmt::format("{}{} is to be a whole number from {} on", path, key, least));
    return std::nullopt;
}

std::optional<bool> FixesReader::flag_in(const toml::table& table, std::string_view key, const std::string& path) {
    const toml::node* node = table.get(key);
    if (node == nullptr) return std::nullopt;
    const std::optional<bool> flag = node->value_exact<bool>();
    if (!flag) wrong(*node, fmt::format("{}{} is to be true or false", path, key));
    return flag;
}

std::optional<Interval> FixesReader::interval_in(const toml::table& table, std::string_view key, bool needed) {
    const std::string path = "fix.proof.";
    const toml::table* found = table_in(table, key, path, needed);
    if (found == nullptr) return std::nullopt;
    const std::string inside = fmt::format("{}{}.", path, key);
    known(*found, {"ratio", "low", "high"}, inside);
    return Interval{number_in(*found, "ratio", inside), number_in(*found, "low", inside),
                    number_in(*found, "high", inside)};
}

Machine FixesReader::machine(const toml::table& table) {
    Machine machine;
    known(table, {"cpu", "cores_usable", "accelerators"}, "machine.");
    machine.cpu = text_in(table, "cpu", "machine.");
    machine.cores_usable = number_in(table, "cores_usable", "machine.");
    const toml::array* accelerators = table["accelerators"].as_array();
    if (accelerators == nullptr) {
        wrong(table, "machine.accelerators is to be a list of names");
        return machine;
    }
    for (const toml::node& node : *accelerators) {
        const std::optional<std::string> name = node.value_exact<std::string>();
        if (!name) wrong(node, "machine.accelerators is to be a list of names");
        machine.accelerators.push_back(name.value_or(""));
    }
    return machine;
}

Fix FixesReader::settings(const toml::table& table) {
    const std::string path = "fix.set.";
    known(table,
          {"workers", "prefetch_factor", "persistent_workers", "batch_size", "threads", "precision", "cache_bytes"},
          path);
    Fix fix;
    fix.workers = count_in(table, "workers", path, 0);
    fix.prefetch_factor = count_in(table, "prefetch_factor", path, 1);
    fix.persistent_workers = flag_in(table, "persistent_workers", path);
    fix.batch_size = count_in(table, "batch_size", path, 1);
    fix.threads = count_in(table, "threads", path, 1);
    fix.cache_bytes = count_in(table, "cache_bytes", path, 1);
    if (const std::string precision = text_in(table, "precision", path, false); !precision.empty()) {
        if (precision != "bfloat16") wrong(*table.get("precision"), "fix.set.precision is to be \"bfloat16\"");
        fix.precision = precision;
    }
    if (table.empty()) wrong(table, "fix.set sets nothing");
    return fix;
}

ProvenLoader FixesReader::loader(const toml::table& table) {
    const std::string path = "fix.loader.";
    known(table, {"file", "line", "sampler", "call", "was"}, path);
    ProvenLoader loader;
    loader.site.file = text_in(table, "file", path);
    loader.site.sampler = text_in(table, "sampler", path);
    const std::optional<std::uint64_t> line = count_in(table, "line", path, 1);
    if (!line) wrong(table, "fix.loader.line is missing");
    loader.site.line = line.value_or(0);
    loader.call = text_in(table, "call", path, false);
    if (const toml::table* was = table_in(table, "was", path, false)) {
        known(*was, {"workers", "prefetch_factor", "persistent_workers", "batch_size"}, "fix.loader.was.");
        loader.was.workers = count_in(*was, "workers", "fix.loader.was.", 0);
        loader.was.prefetch_factor = count_in(*was, "prefetch_factor", "fix.loader.was.", 1);
        loader.was.persistent_workers = flag_in(*was, "persistent_workers", "fix.loader.was.");
        loader.was.batch_size = count_in(*was, "batch_size", "fix.loader.was.", 1);
    }
    return loader;
}

Proof FixesReader::proof(const toml::table& table) {
    const std::string path = "fix.proof.";
    known(table, {"predicted", "measured", "pairs", "steps", "date", "host"}, path);
    Proof proof;
    proof.predicted = interval_in(table, "predicted", false);
    proof.measured = interval_in(table, "measured", true).value_or(Interval{});
    proof.pairs = count_in(table, "pairs", path, 1).value_or(0);
    proof.steps = count_in(table, "steps", path, 1).value_or(0);
    proof.date = text_in(table, "date", path);
    proof.host = text_in(table, "host", path);
    return proof;
}

Changes FixesReader::changes(const toml::table& table) {
    constexpr std::array<Changes, 5> all{Changes::nothing, Changes::rounding, Changes::random_streams,
                                         Changes::numerics, Changes::semantics};
    const std::string text = text_in(table, "changes", "fix.");
    for (const Changes changes : all) {
        if (text == name(changes)) return changes;
    }
    wrong(table, "fix.changes is to be nothing, rounding, random_streams, numerics or semantics");
    return Changes::nothing;
}

ProvenFix FixesReader::fix(const toml::table& table) {
    known(table, {"id", "changes", "set", "loader", "proof"}, "fix.");
    ProvenFix fix;
    fix.id = text_in(table, "id", "fix.");
    fix.changes = changes(table);
    if (const toml::table* set = table_in(table, "set", "fix.", true)) fix.fix = settings(*set);
    if (const toml::table* site = table_in(table, "loader", "fix.", false)) fix.loader = loader(*site);
    if (const toml::table* proven = table_in(table, "proof", "fix.", true)) fix.proof = proof(*proven);
    if (!fix.loader && (changes_loader(fix.fix) || fix.fix.cache_bytes)) {
        wrong(table, "fix.loader is missing, which says where the loader is made");
    }
    return fix;
}

Result<ProvenFixes> FixesReader::read(const toml::table& root) {
    const std::optional<std::int64_t> version = root["version"].value_exact<std::int64_t>();
    if (version && *version > fixes_version) {
        return fail(ErrorCode::newer_version,
                    fmt::format("{} was written by a newer headrace (version {}): install that one", file_, *version));
    }
    if (version != fixes_version) {
        return fail(ErrorCode::invalid_argument, fmt::format("{}: version is to be {}", file_, fixes_version));
    }
    known(root, {"version", "machine", "fix"}, "");
    ProvenFixes fixes;
    if (const toml::table* table = table_in(root, "machine", "", true)) fixes.machine = machine(*table);
    const toml::node* list = root.get("fix");
    if (list != nullptr && !list->is_array_of_tables()) wrong(*list, "fix is to be a list of tables, each [[fix]]");
    if (list != nullptr && list->is_array_of_tables()) {
        for (const toml::node& node : *list->as_array()) fixes.fixes.push_back(fix(*node.as_table()));
    }
    if (error_) return tl::unexpected<Error>(*error_);
    return fixes;
}

}  // namespace

std::string fixes_toml(const ProvenFixes& fixes, const std::string& apply) {
    const std::string command = base::printable(base::shell_command(fixes.command));
    const std::string date = fixes.fixes.empty() ? "" : " on " + base::printable(fixes.fixes.front().proof.date);
    std::string text = fmt::format(
        "# Proven by headrace improve{} for\n#   {}\n# This runs it so, without an edit:\n"
        "#   {}\nversion = {}\n\n[machine]  # elsewhere nothing is applied\ncpu = {}\n"
        "cores_usable = {}\n",
        date, command, base::printable(apply), fixes_version, toml_text(fixes.machine.cpu),
        toml_number(fixes.machine.cores_usable));
    std::vector<std::string> accelerators;
    for (const std::string& accelerator : fixes.machine.accelerators) accelerators.push_back(toml_text(accelerator));
    text += fmt::format("accelerators = [{}]\n", fmt::join(accelerators, ", "));
    for (const ProvenFix& fix : fixes.fixes) text += fix_toml(fix);
    return text;
}

Result<ProvenFixes> parse_fixes(std::string_view text, const std::string& file) {
    const Result<toml::table> root = base::parse_toml(text, file);
    if (!root) return tl::unexpected<Error>(root.error());
    return FixesReader(file).read(*root);
}

}  // namespace headrace::run
