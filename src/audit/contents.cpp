#include "audit/contents.h"

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

namespace headrace::audit {
namespace {

constexpr double unit_bytes = 64;

struct Look {
    std::size_t pass;
    std::uint64_t index;
    std::uint64_t hash;
};

class ContentReader {
public:
    ContentReader(const Recording& recording, const Trainer& trainer) : recording_(recording), trainer_(trainer) {}

    Contents read();

private:
    void read_worker(std::size_t thread);
    void read_trainer();
    void add(std::size_t pass, const Span& span);
    void compare();

    const Recording& recording_;
    const Trainer& trainer_;
    std::map<std::pair<std::uint32_t, unsigned>, std::size_t> pass_of_;  // by pid of a worker and generation
    std::vector<Look> looks_;
    double bytes_ = 0;
    Contents contents_;
};

void ContentReader::add(std::size_t pass, const Span& span) {
    if (span.b == 0) {
        ++contents_.unknown;
        return;
    }
    looks_.push_back({pass, span.a & 0xffffffffU, span.b});
    bytes_ += unit_bytes * static_cast<double>(span.a >> 32);
}

void ContentReader::read_worker(std::size_t thread) {
    const std::uint32_t pid = recording_.run.threads[thread].pid;
    NamedSpans spans = recording_.open(thread);
    unsigned generation = 0;
    for (Span span; spans.next(span);) {
        if (kind(span) == Kind::resume) ++generation;
        if (kind(span) != Kind::content) continue;
        const auto pass = pass_of_.find({pid, generation});
        if (pass != pass_of_.end()) add(pass->second, span);
    }
}

// Without workers samples are made inside the wait for their batch.
void ContentReader::read_trainer() {
    PassNumbers numbers;
    std::optional<std::size_t> pass;
    Nanoseconds end = 0;
    each_span(recording_, trainer_, [&](const Span& span) {
        const std::optional<std::size_t> number = numbers.see(span);
        if (is_wait(span)) {
            const bool own = number && trainer_.passes[*number].training && trainer_.passes[*number].workers.empty();
            pass = own ? number : std::nullopt;
            end = end_of(span);
        } else if (kind(span) == Kind::content && pass && span.start < end) {
            add(*pass, span);
        }
    });
}

void ContentReader::compare() {
    std::sort(looks_.begin(), looks_.end(),
              [](const Look& x, const Look& y) { return x.index != y.index ? x.index < y.index : x.pass < y.pass; });
    std::size_t first_pass = looks_.empty() ? 0 : looks_.front().pass;
    for (const Look& look : looks_) first_pass = std::min(first_pass, look.pass);
    std::size_t later = 0, seen = 0;
    for (std::size_t begin = 0, end = 0; begin < looks_.size(); begin = end) {
        bool several = false, same = true;
        for (end = begin; end < looks_.size() && looks_[end].index == looks_[begin].index; ++end) {
            const bool again = looks_[end].pass != looks_[begin].pass;
            several = several || again;
            same = same && looks_[end].hash == looks_[begin].hash;
            later += looks_[end].pass != first_pass ? 1 : 0;
            seen += again ? 1 : 0;
        }
        ++contents_.distinct;
        contents_.compared += several ? 1 : 0;
        contents_.differing += same ? 0 : 1;
    }
    contents_.looks = looks_.size();
    contents_.bytes = looks_.empty() ? 0 : bytes_ / static_cast<double>(looks_.size());
    contents_.seen_before = later > 0 ? static_cast<double>(seen) / static_cast<double>(later) : 0;
}

Contents ContentReader::read() {
    bool alone = false;
    for (std::size_t i = 0; i < trainer_.passes.size(); ++i) {
        const Pass& pass = trainer_.passes[i];
        if (!pass.training || pass.waits.empty()) continue;
        ++contents_.passes;
        alone = alone || pass.workers.empty();
        for (const std::uint32_t worker : pass.workers) pass_of_.try_emplace({worker, pass.generation}, i);
    }
    for (std::size_t thread = 0; thread < recording_.threads.size(); ++thread) {
        if (recording_.threads[thread].hashes && recording_.threads[thread].worker) read_worker(thread);
    }
    if (alone && trainer_.thread && recording_.threads[*trainer_.thread].hashes) read_trainer();
    compare();
    return contents_;
}

}  // namespace

Contents contents_of(const Recording& recording, const Trainer& trainer) {
    return ContentReader(recording, trainer).read();
}

}  // namespace headrace::audit
