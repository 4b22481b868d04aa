#include "trial/ground.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>

#include "audit/edit.h"
#include "base/text.h"
#include "sys/file.h"
#include "trial/injection.h"
#include "trial/merge.h"

namespace headrace::trial {
namespace {

namespace fs = std::filesystem;

std::string machine_words(const Machine& machine) {
    std::string words = fmt::format("{} with {:.3g} cores", base::printable(machine.cpu), machine.cores_usable);
    for (const std::string& accelerator : machine.accelerators) words += " and " + base::printable(accelerator);
    return words;
}

bool same_machine(const Machine& x, const Machine& y) {
    return x.cpu == y.cpu && std::abs(x.cores_usable - y.cores_usable) < 0.01 && x.accelerators == y.accelerators;
}

struct Ground {
    std::optional<LoaderSite> loader;
    std::string gone;  // why it does not hold any more; empty where it does
};

Ground ground_of(const ProvenLoader& proven, const fs::path& directory) {
    Ground ground{proven.site, ""};
    if (proven.call.empty()) return ground;
    const std::string file = base::printable(proven.site.file);
    const Result<std::string> source = sys::read_whole(directory / proven.site.file);
    if (!source) {
        ground.gone = fmt::format("{}, where its loader is made, cannot be read", file);
        return ground;
    }
    const std::optional<std::uint64_t> line = audit::line_of(*source, proven.call, proven.site.line);
    if (!line) ground.gone = fmt::format("the loader that it is for is no longer made in {} as it was", file);
    ground.loader->line = line.value_or(proven.site.line);
    return ground;
}

template <class T>
void fill(std::optional<T>& into, const std::optional<T>& from) {
    if (!into) into = from;
}

void fill(LoaderBefore& into, const LoaderBefore& from) {
    fill(into.workers, from.workers);
    fill(into.prefetch_factor, from.prefetch_factor);
    fill(into.persistent_workers, from.persistent_workers);
    fill(into.batch_size, from.batch_size);
}

// Takes one fix, or says why not.
std::string take(const ProvenFix& fix, const std::set<Changes>& allowed, const fs::path& directory, Chosen& chosen) {
    if (!is_allowed(fix.changes, allowed)) {
        return fmt::format("it changes {}: give --allow {}", name(fix.changes), name(fix.changes));
    }
    Ground ground;
    if (fix.loader) ground = ground_of(*fix.loader, directory);
    if (!ground.gone.empty()) return ground.gone;
    if (ground.loader && chosen.loader && !same_site(*ground.loader, *chosen.loader)) {
        return "it is for another loader than the fixes before it";
    }
    Fix together = chosen.fix;
    if (!merge(together, fix.fix)) return "it sets something else than the fixes before it";
    chosen.fix = together;
    if (ground.loader) {
        chosen.loader = ground.loader;
        fill(chosen.was, fix.loader->was);
    }
    chosen.applied.push_back(fix);
    return "";
}

template <class T>
void add_was(std::string& text, std::string_view name, const std::optional<T>& value) {
    if (value) text += injection_line(name, std::to_string(*value));
}

}  // namespace

Chosen choose(const ProvenFixes& fixes, const Machine& here, const std::set<Changes>& allowed,
              const fs::path& directory) {
    Chosen chosen;
    const bool at_home = same_machine(fixes.machine, here);
    for (const ProvenFix& fix : fixes.fixes) {
        const std::string why = at_home ? take(fix, allowed, directory, chosen)
                                        : fmt::format("it was proven on {}, and this is {}",
                                                      machine_words(fixes.machine), machine_words(here));
        if (!why.empty()) chosen.left_out.push_back({fix.id, why});
    }
    return chosen;
}

std::string injection_of(const Chosen& chosen) {
    if (chosen.applied.empty()) return "";
    std::string text = injection_of(chosen.loader ? &*chosen.loader : nullptr, chosen.fix);
    std::vector<std::string> of_loader;
    bool threads_with_loader = true;
    for (const ProvenFix& fix : chosen.applied) {
        if (fix.loader) of_loader.push_back(fix.id);
        if (!fix.loader && fix.fix.threads) threads_with_loader = false;
    }
    text += injection_line("applied", fmt::format("{}", fmt::join(of_loader, ", ")));
    add_was(text, "was_workers", chosen.was.workers);
    add_was(text, "was_prefetch_factor", chosen.was.prefetch_factor);
    add_was(text, "was_persistent_workers", chosen.was.persistent_workers);
    add_was(text, "was_batch_size", chosen.was.batch_size);
    // A number of threads that was proven together with a loader goes with it.
    if (chosen.loader && threads_with_loader) text += injection_line("threads_with_loader", "1");
    return text;
}

}  // namespace headrace::trial
