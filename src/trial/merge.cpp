#include "trial/merge.h"

namespace headrace::trial {
namespace {

template <class T>
bool merge_value(std::optional<T>& into, const std::optional<T>& from) {
    if (!from) return true;
    if (into && *into != *from) return false;
    into = from;
    return true;
}

}  // namespace

bool merge(Fix& into, const Fix& from) {
    return merge_value(into.workers, from.workers) && merge_value(into.threads, from.threads) &&
           merge_value(into.prefetch_factor, from.prefetch_factor) &&
           merge_value(into.persistent_workers, from.persistent_workers) &&
           merge_value(into.batch_size, from.batch_size) && merge_value(into.precision, from.precision) &&
           merge_value(into.cache_bytes, from.cache_bytes);
}

bool is_allowed(Changes changes, const std::set<Changes>& allowed) {
    return (changes != Changes::numerics && changes != Changes::semantics) || allowed.contains(changes);
}

bool same_site(const LoaderSite& x, const LoaderSite& y) {
    return x.file == y.file && x.line == y.line && x.sampler == y.sampler;
}

}  // namespace headrace::trial
