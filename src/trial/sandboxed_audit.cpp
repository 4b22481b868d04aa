// An audit of which nothing stays but the run: the first part of `headrace improve`.
#include <limits>

#include "audit/record.h"
#include "run/probe_file.h"
#include "run/store.h"
#include "trial/arm.h"
#include "trial/improve.h"
#include "trial/probing.h"
#include "trial/workplace.h"

namespace headrace::trial {
namespace {

namespace fs = std::filesystem;

// A finished program that failed has nothing to be improved.
Result<void> check_end(const Arm& arm) {
    if (!arm.whole || arm.end == "with exit code 0" || arm.end.empty()) return {};
    return fail(ErrorCode::not_enough_data,
                "the program ended " + arm.end + (arm.last_words.empty() ? "" : "; its last words: ") + arm.last_words);
}

// Why there is no probe is told: the audit says less then, and is no failure.
void probe(const AuditPlan& plan, const run::Folder& folder, const Audit& audit) {
    const Result<Probe> probe =
        probe_program(audit, {.home = plan.home, .seconds = plan.probe_seconds, .stopped = plan.stopped});
    if (probe) {
        (void)run::keep_probe(folder, *probe);
    } else if (plan.note && probe.error().code != ErrorCode::interrupted) {
        plan.note("no probe: " + probe.error().message);
    }
}

}  // namespace

Result<Audit> audit_in_sandbox(const AuditPlan& plan) {
    const Result<Workplace> workplace = Workplace::make(plan.home);
    if (!workplace) return tl::unexpected<Error>(workplace.error());
    std::error_code error;
    ArmOptions options;
    options.command = plan.command;
    options.directory = plan.directory;
    options.folder = workplace->folder();
    options.keep_in = fs::absolute(plan.home, error);
    options.steps = std::numeric_limits<std::uint64_t>::max();
    options.seconds = plan.seconds;
    options.sandbox = plan.sandbox;
    options.network = plan.network;
    options.stopped = plan.stopped;
    const Result<Arm> arm = run_arm(options);
    if (!arm) return tl::unexpected<Error>(arm.error());
    if (const Result<void> good = check_end(*arm); !good) return tl::unexpected<Error>(good.error());
    const run::Folder folder{options.keep_in / "runs" / arm->run};
    Result<Audit> audit = audit::load(folder);
    if (!audit || !(plan.probe_seconds > 0)) return audit;
    probe(plan, folder, *audit);
    return audit::load(folder);
}

}  // namespace headrace::trial
