#include "trial/injection.h"

#include <gtest/gtest.h>

namespace headrace::trial {
namespace {

TEST(Injection, NamesTheLoaderAndWhatChanges) {
    Fix fix;
    fix.workers = 2;
    fix.persistent_workers = true;
    fix.threads = 1;
    const LoaderSite site{"100%\n.py", 7, "RandomSampler", false};
    EXPECT_EQ(injection_of(&site, fix),
              "file=100%25%0A.py\nline=7\nsampler=RandomSampler\nworkers=2\npersistent_workers=1\nthreads=1\n");
    EXPECT_EQ(injection_of(nullptr, fix), "threads=1\n");
    Fix half;
    half.precision = "bfloat16";
    EXPECT_EQ(injection_of(nullptr, half), "precision=bfloat16\n");
    Fix cache;
    cache.cache_bytes = 4096;
    EXPECT_EQ(injection_of(&site, cache), "file=100%25%0A.py\nline=7\nsampler=RandomSampler\ncache_bytes=4096\n");
    EXPECT_EQ(injection_of(nullptr, cache), "");
}

}  // namespace
}  // namespace headrace::trial
