#include "audit/figures.h"

#include <cmath>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>

#include "audit/analyze.h"

namespace headrace::audit {
namespace {

template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;

std::string numbered(const std::string& list, std::size_t number) { return list + "." + std::to_string(number); }

// Puts fields down as figures.
class Writer {
public:
    explicit Writer(run::Figures& figures) : figures_(figures) {}

    template <class T>
    void operator()(const std::string& name, const T& field) {
        figures_[name] = value_of(field);
    }
    template <class T>
    void added(const std::string& name, const T& field) {
        (*this)(name, field);
    }
    template <class T, class Visit>
    void list(const std::string& name, const std::vector<T>& items, Visit visit) {
        (*this)(name, static_cast<std::uint64_t>(items.size()));
        for (std::size_t i = 0; i < items.size(); ++i) {
            visit(numbered(name, i), items[i]);
        }
    }

    template <class T, class Visit>
    void added_list(const std::string& name, const std::vector<T>& items, Visit visit) {
        list(name, items, visit);
    }
    // A number that may be below 0.
    template <class T>
    void any(const std::string& name, const T& field) {
        (*this)(name, field);
    }
    template <class T, class Visit>
    void optional(const std::string& name, const std::optional<T>& field, Visit visit) {
        (*this)(name, field.has_value());
        if (field) visit(*field);
    }
    template <class T, class Visit>
    void added_optional(const std::string& name, const std::optional<T>& field, Visit visit) {
        optional(name, field, visit);
    }
    // A word of a closed list.
    template <class E>
    void word(const std::string& name, const E& field, E) {
        (*this)(name, std::string(headrace::name(field)));
    }
    template <class E>
    void added_word(const std::string& name, const E& field, E last) {
        word(name, field, last);
    }

private:
    template <class T>
    static run::Figure value_of(const T& field) {
        if constexpr (is_optional<T>) {
            return field ? value_of(*field) : run::Figure{};
        } else if constexpr (std::is_integral_v<T>) {
            return static_cast<std::int64_t>(field);
        } else {
            return field;
        }
    }

    run::Figures& figures_;
};

// Sets fields from figures.
class Reader {
public:
    explicit Reader(const run::Figures& figures) : figures_(figures) {}

    template <class T>
    void operator()(const std::string& name, T& field) {
        const auto figure = figures_.find(name);
        if (figure == figures_.end() || !set(figure->second, field)) {
            note(name);
        }
    }
    // A figure that earlier runs do not have: the field then keeps what it holds.
    template <class T>
    void added(const std::string& name, T& field) {
        if (figures_.contains(name)) (*this)(name, field);
    }
    template <class T, class Visit>
    void list(const std::string& name, std::vector<T>& items, Visit visit) {
        std::uint64_t size = 0;
        (*this)(name, size);
        if (size > figures_.size()) {  // an item has one figure at least
            note(name);
            return;
        }
        items.resize(static_cast<std::size_t>(size));
        for (std::size_t i = 0; i < items.size(); ++i) {
            visit(numbered(name, i), items[i]);
        }
    }

    template <class T, class Visit>
    void added_list(const std::string& name, std::vector<T>& items, Visit visit) {
        if (figures_.contains(name)) list(name, items, visit);
    }
    void any(const std::string& name, double& field) {
        const auto figure = figures_.find(name);
        const double* value = figure != figures_.end() ? std::get_if<double>(&figure->second) : nullptr;
        if (value != nullptr && std::isfinite(*value)) {
            field = *value;
        } else {
            note(name);
        }
    }
    void any(const std::string& name, std::optional<double>& field) {
        const auto figure = figures_.find(name);
        field.reset();
        if (figure != figures_.end() && !std::holds_alternative<std::monostate>(figure->second)) {
            any(name, field.emplace());
        }
    }
    template <class T, class Visit>
    void optional(const std::string& name, std::optional<T>& field, Visit visit) {
        bool there = false;
        (*this)(name, there);
        field.reset();
        if (there) visit(field.emplace());
    }
    template <class T, class Visit>
    void added_optional(const std::string& name, std::optional<T>& field, Visit visit) {
        if (figures_.contains(name)) optional(name, field, visit);
    }
    template <class E>
    void word(const std::string& name, E& field, E last) {
        std::string text;
        (*this)(name, text);
        for (int value = 0; value <= static_cast<int>(last); ++value) {
            field = static_cast<E>(value);
            if (headrace::name(field) == text) return;
        }
        note(name);
    }

    template <class E>
    void added_word(const std::string& name, E& field, E last) {
        if (figures_.contains(name)) word(name, field, last);
    }

    const std::string& wrong() const { return wrong_; }  // the first that is missing or impossible; empty: none

private:
    void note(const std::string& name) {
        if (wrong_.empty()) wrong_ = name;
    }

    template <class T>
    static bool set(const run::Figure& figure, T& field) {
        if constexpr (is_optional<T>) {
            field.reset();
            return std::holds_alternative<std::monostate>(figure) || set(figure, field.emplace());
        } else if constexpr (std::is_integral_v<T>) {
            const auto* value = std::get_if<std::int64_t>(&figure);
            if (value == nullptr || *value < 0 ||
                static_cast<std::uint64_t>(*value) > static_cast<std::uint64_t>(std::numeric_limits<T>::max())) {
                return false;
            }
            field = static_cast<T>(*value);
            return true;
        } else {
            const auto* value = std::get_if<T>(&figure);
            if (value == nullptr) {
                return false;
            }
            field = *value;
            if constexpr (std::is_floating_point_v<T>) {
                return std::isfinite(field) && field >= 0;
            }
            return true;
        }
    }

    const run::Figures& figures_;
    std::string wrong_;
};

template <class Rank, class Visit>
void visit_rank(const std::string& name, Rank& ledger, Visit& visit) {
    visit(name + ".rank", ledger.rank);
    visit(name + ".pid", ledger.pid);
    visit(name + ".host", ledger.host);
    visit(name + ".command", ledger.command);
    visit(name + ".wall_seconds", ledger.wall_seconds);
    for (std::size_t i = 0; i < entry_count; ++i) {
        visit(name + ".ledger." + std::string(headrace::name(static_cast<Entry>(i))), ledger.seconds[i]);
    }
    for (std::size_t i = 0; i < stage_count; ++i) {
        visit(name + ".input_wait." + std::string(headrace::name(static_cast<Stage>(i))), ledger.wait_seconds[i]);
    }
}

template <class Seen, class Visit>
void visit_loader(const std::string& name, Seen& loader, Visit& visit) {
    visit(name + ".batch_size", loader.batch_size);
    visit(name + ".workers", loader.workers);
    visit(name + ".prefetch_factor", loader.prefetch_factor);
    visit(name + ".persistent", loader.persistent);
    visit(name + ".method", loader.method);
    visit(name + ".training", loader.training);
    visit.added(name + ".threads", loader.threads);
}

template <class Site, class Visit>
void visit_site(const std::string& name, Site& site, Visit& visit) {
    visit.added_optional(name, site, [&](auto& made) {
        visit(name + ".file", made.file);
        visit(name + ".line", made.line);
        visit(name + ".sampler", made.sampler);
        visit(name + ".library", made.library);
    });
}

template <class Range, class Visit>
void visit_interval(const std::string& name, Range& interval, Visit& visit) {
    visit.any(name + ".predicted", interval.predicted);
    visit.any(name + ".low", interval.low);
    visit.any(name + ".high", interval.high);
}

template <class Found, class Visit>
void visit_finding(const std::string& name, Found& finding, Visit& visit) {
    visit(name + ".id", finding.id);
    visit.word(name + ".area", finding.area, Area::serve);
    visit(name + ".title", finding.title);
    visit(name + ".evidence", finding.evidence);
    visit.added_word(name + ".fix.kind", finding.kind, FixKind::by_hand);
    visit.added(name + ".fix.rows", finding.fix.evaluation_rows);
    visit.added(name + ".fix.precision", finding.fix.precision);
    visit.added(name + ".fix.cache_bytes", finding.fix.cache_bytes);
    visit(name + ".fix.workers", finding.fix.workers);
    visit(name + ".fix.threads", finding.fix.threads);
    visit(name + ".fix.prefetch_factor", finding.fix.prefetch_factor);
    visit(name + ".fix.persistent_workers", finding.fix.persistent_workers);
    visit(name + ".fix.batch_size", finding.fix.batch_size);
    visit.optional(name + ".gain", finding.gain, [&](auto& gain) {
        visit_interval(name + ".gain.ratio", gain.ratio, visit);
        visit_interval(name + ".gain.seconds_per_run", gain.seconds_per_run, visit);
    });
    visit.word(name + ".changes", finding.changes, Changes::semantics);
    visit(name + ".remedy", finding.remedy);
    visit_site(name + ".loader", finding.loader, visit);
    visit.added(name + ".interval_scale", finding.interval_scale);
    visit.added(name + ".diff", finding.diff);
}

template <class Whole, class Visit>
void visit_user_files(Whole& audit, Visit& visit) {
    visit.added_optional("slo", audit.slo, [&](auto& slo) {
        visit("slo.file", slo.file);
        visit("slo.latency_p95_ms", slo.latency_p95_ms);
        visit("slo.memory_mb", slo.memory_mb);
    });
    visit.added_optional("cost", audit.cost, [&](auto& cost) {
        visit("cost.file", cost.file);
        visit("cost.currency", cost.currency);
        visit("cost.machine", cost.machine);
        visit("cost.per_hour", cost.per_hour);
        visit("cost.per_run", cost.per_run);
        visit("cost.per_epoch", cost.per_epoch);
    });
}

template <class Whole, class Visit>
void visit_advice(Whole& audit, Visit& visit) {
    visit.added_list("ceilings", audit.ceilings, [&](const std::string& name, auto& ceiling) {
        visit(name + ".name", ceiling.name);
        visit(name + ".samples_per_second", ceiling.samples_per_second);
        visit.word(name + ".basis", ceiling.basis, Basis::derived);
    });
    visit.added("prediction.valid", audit.prediction.valid);
    visit.any("prediction.mean_error", audit.prediction.mean_error);
    visit.any("prediction.p95_error", audit.prediction.p95_error);
    visit.any("prediction.crowded_cores", audit.prediction.crowded_cores);
    visit.added("prediction.reason", audit.prediction.reason);
    visit.added_list("findings", audit.findings,
                     [&](const std::string& name, auto& finding) { visit_finding(name, finding, visit); });
}

// Every figure that comes from the spans: one list for writing and reading.
template <class Whole, class Marked, class Visit>
void visit_figures(Whole& audit, Marked& marked, Visit& visit) {
    visit("wall_seconds", audit.wall_seconds);
    visit("framework", audit.framework);
    visit("processes", audit.processes);
    visit("trained", audit.trained);
    visit.added("stopped", audit.stopped);
    visit.added("result_seconds", audit.result_seconds);
    visit.added("result_unseen", audit.result_unseen);
    visit("device_peak_bytes", audit.device_peak_bytes);
    visit("steady.steps", audit.steady.steps);
    visit("steady.step_seconds_median", audit.steady.step_seconds_median);
    visit("steady.step_seconds_p95", audit.steady.step_seconds_p95);
    visit("steady.samples_per_second", audit.steady.samples_per_second);
    visit.added("steady.typical_samples_per_second", audit.steady.typical_samples_per_second);
    visit("steady.tokens_per_second", audit.steady.tokens_per_second);
    visit("steady.batch_size", audit.steady.batch_size);
    visit.added("steady.pass_steps", audit.steady.pass_steps);
    visit("per_sample.wall_seconds", audit.per_sample.wall_seconds);
    visit("per_sample.cpu_seconds", audit.per_sample.cpu_seconds);
    visit("per_sample.run_queue_seconds", audit.per_sample.run_queue_seconds);
    visit("per_sample.blocked_seconds", audit.per_sample.blocked_seconds);
    visit("per_sample.bytes_requested", audit.per_sample.bytes_requested);
    visit("per_sample.bytes_from_storage", audit.per_sample.bytes_from_storage);
    visit("overhead.seconds", audit.overhead.seconds);
    visit("overhead.share", audit.overhead.share);
    visit("overhead.per_step_seconds", audit.overhead.per_step_seconds);
    visit("overhead.hooks_disabled", audit.overhead.hooks_disabled);
    visit_user_files(audit, visit);
    visit_advice(audit, visit);
    visit.list("ranks", audit.ranks, [&](const std::string& name, auto& ledger) { visit_rank(name, ledger, visit); });
    visit.list("loaders", audit.loaders, [&](const std::string& name, auto& seen) { visit_loader(name, seen, visit); });
    visit.list("limits", audit.limits, [&](const std::string& name, auto& limit) { visit(name, limit); });
    visit.list("marked", marked, [&](const std::string& name, auto& phase) {
        visit(name + ".name", phase.name);
        visit(name + ".seconds", phase.seconds);
        visit(name + ".count", phase.count);
    });
}

}  // namespace

run::Derived derive(const Audit& audit) {
    run::Derived derived;
    for (const Ledger& ledger : audit.ranks) {
        const auto row = [&](std::string_view name, double seconds, double whole) {
            return run::DerivedRow{ledger.rank, ledger.pid, std::string(name), seconds,
                                   whole > 0 ? seconds / whole : 0};
        };
        for (std::size_t i = 0; i < entry_count; ++i) {
            derived.ledger.push_back(row(name(static_cast<Entry>(i)), ledger.seconds[i], ledger.wall_seconds));
        }
        const double wait = ledger.seconds[static_cast<std::size_t>(Entry::input_wait)];
        for (std::size_t i = 0; i < stage_count; ++i) {
            derived.input_wait.push_back(row(name(static_cast<Stage>(i)), ledger.wait_seconds[i], wait));
        }
    }
    const std::vector<MarkedPhase> marked = audit.outside ? audit.outside->marked : std::vector<MarkedPhase>();
    Writer writer(derived.figures);
    visit_figures(audit, marked, writer);
    return derived;
}

Result<Audit> restore(const Run& run, const run::Figures& figures) {
    Audit audit;
    add_outside_view(run, audit);
    audit.stopped = run.info.max_steps.has_value();  // as earlier headraces took it
    std::vector<MarkedPhase> marked;
    Reader reader(figures);
    visit_figures(audit, marked, reader);
    if (!reader.wrong().empty() || audit.ranks.empty()) {
        const std::string wrong = reader.wrong().empty() ? "ranks" : reader.wrong();
        return fail(ErrorCode::damaged, "the run.db of run " + run.info.id + " is damaged: its figure " + wrong +
                                            " is missing or impossible; put back a copy of it, or delete the folder "
                                            "of the run");
    }
    if (audit.outside) {
        audit.outside->marked = std::move(marked);
    }
    return audit;
}

}  // namespace headrace::audit
