// Equality of runs, field by field. Kept out of the public header: a user compares runs with `headrace compare`.
#pragma once

#include <tuple>

#include "headrace/run.h"

namespace headrace {

inline auto fields(const Span& s) { return std::tie(s.kind, s.start, s.duration, s.a, s.b, s.open, s.text); }
inline bool operator==(const Span& x, const Span& y) { return fields(x) == fields(y); }

inline auto fields(const ThreadRecord& t) {
    return std::tie(t.pid, t.tid, t.parent_pid, t.main_thread, t.opened, t.process_start, t.rank, t.local_rank, t.full,
                    t.full_error, t.dropped, t.hooks, t.self, t.disabled, t.call_cost, t.spans);
}
inline bool operator==(const ThreadRecord& x, const ThreadRecord& y) { return fields(x) == fields(y); }

inline auto fields(const ProcessRecord& p) {
    return std::tie(p.pid, p.parent_pid, p.start, p.end, p.command, p.cpu_ns);
}
inline bool operator==(const ProcessRecord& x, const ProcessRecord& y) { return fields(x) == fields(y); }

inline auto fields(const OutsidePoint& p) {
    return std::tie(p.when, p.cpu_ns, p.read_bytes, p.written_bytes, p.requested_read_bytes, p.requested_written_bytes,
                    p.resident_bytes, p.processes);
}
inline bool operator==(const OutsidePoint& x, const OutsidePoint& y) { return fields(x) == fields(y); }

inline auto fields(const HotLine& h) { return std::tie(h.context, h.file, h.line, h.function, h.count); }
inline bool operator==(const HotLine& x, const HotLine& y) { return fields(x) == fields(y); }

inline auto fields(const Machine& m) {
    return std::tie(m.host, m.system, m.cpu, m.cores_usable, m.cores, m.memory_bytes, m.accelerators,
                    m.shared_memory.write, m.shared_memory.read);
}
inline bool operator==(const Machine& x, const Machine& y) { return fields(x) == fields(y); }

inline bool operator==(const CodeState& x, const CodeState& y) {
    return std::tie(x.git_commit, x.dirty, x.digest) == std::tie(y.git_commit, y.dirty, y.digest);
}

inline auto fields(const RunInfo& i) {
    return std::tie(i.id, i.name, i.command, i.directory, i.started, i.headrace_version, i.parent_pid, i.child_pid,
                    i.started_ns, i.ended_ns, i.exit_code, i.signal, i.outcome, i.max_steps, i.host_peak_bytes,
                    i.monitor_cpu, i.looks, i.unlisted_processes, i.machine, i.kernel.boot_id, i.kernel.pid_namespace,
                    i.code, i.experiment, i.user, i.purpose, i.limits);
}
inline bool operator==(const RunInfo& x, const RunInfo& y) { return fields(x) == fields(y); }

inline bool operator==(const Run& x, const Run& y) {
    return x.info == y.info && x.threads == y.threads && x.processes == y.processes && x.outside == y.outside &&
           x.hot_lines == y.hot_lines;
}

}  // namespace headrace
