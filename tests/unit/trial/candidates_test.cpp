#include "trial/candidates.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

namespace headrace::trial {
namespace {

const LoaderSite site{"train.py", 41, "RandomSampler", false};

// A training with a loader of so many workers and threads on 4 cores.
Audit training(std::uint64_t workers, std::uint64_t threads) {
    Audit audit;
    audit.run.machine.cores_usable = 4;
    Loader loader;
    loader.training = true;
    loader.workers = workers;
    loader.threads = threads;
    loader.batch_size = 32;
    loader.made = site;
    audit.loaders = {loader};
    audit.steady.pass_steps = 10;
    return audit;
}

Finding finding(const std::string& id, const Fix& fix, double ratio, Changes changes = Changes::nothing) {
    Finding found;
    found.id = id;
    found.fix = fix;
    found.gain = Gain{{ratio, ratio - 0.1, ratio + 0.1}, {1, 0, 2}};
    found.changes = changes;
    found.loader = site;
    return found;
}

Fix workers(std::uint64_t count) {
    Fix fix;
    fix.workers = count;
    return fix;
}

std::vector<std::string> settings(const std::vector<Candidate>& candidates) {
    std::vector<std::string> words;
    for (const Candidate& candidate : candidates) words.push_back(as_arguments(candidate.fix));
    return words;
}

TEST(Candidates, ThatArePredictedComeBestFirst) {
    Audit audit = training(0, 4);
    Fix batch = workers(2), cache;
    batch.batch_size = 64;
    cache.cache_bytes = 1000;
    audit.findings = {finding("input.workers", workers(2), 1.2), finding("compute.batch", batch, 1.9),
                      finding("input.workers.2", workers(3), 1.4), finding("prep.cache", cache, 1.3)};
    EXPECT_EQ(settings(predicted_points(audit, {})), (std::vector<std::string>{"num_workers=3", "num_workers=2"}));
    EXPECT_EQ(predicted_points(audit, {Changes::semantics}).front().id, "compute.batch");
    ASSERT_EQ(predicted_extras(audit, {}).size(), 1U);
    EXPECT_EQ(predicted_extras(audit, {}).front().id, "prep.cache");
}

TEST(Candidates, AreOfTheTrainingLoaderAndPromiseSomething) {
    Audit audit = training(0, 4);
    Finding elsewhere = finding("evaluate.workers", workers(2), 1.5), silent = finding("input.small", workers(2), 1.5);
    elsewhere.loader->line = 99;
    silent.gain.reset();
    Finding by_hand = finding("input.collate", {}, 1.5);
    by_hand.kind = FixKind::by_hand;
    Fix autocast;
    autocast.precision = "bfloat16";
    audit.findings = {elsewhere, silent, by_hand, finding("compute.precision", autocast, 1.5, Changes::numerics)};
    EXPECT_TRUE(predicted_points(audit, {}).empty());
    EXPECT_TRUE(predicted_extras(audit, {}).empty());
    EXPECT_EQ(predicted_extras(audit, {Changes::numerics}).size(), 1U);
}

TEST(Candidates, BesideAPointAreAWorkerOrSoAway) {
    const Audit audit = training(1, 4);
    EXPECT_EQ(settings(neighbours(audit, {})),
              (std::vector<std::string>{"num_workers=2, persistent_workers=True", "num_workers=0", "threads=2",
                                        "num_workers=2, persistent_workers=True, threads=2"}));
}

TEST(Candidates, BesideAPointStayInTheMachine) {
    const Audit none = training(0, 1), many = training(6, 4);
    for (const Candidate& candidate : neighbours(none, {})) {
        EXPECT_LE(candidate.fix.workers.value_or(0), 1U);
        EXPECT_NE(candidate.fix.threads, 0U);
    }
    for (const Candidate& candidate : neighbours(many, {})) EXPECT_LE(candidate.fix.workers.value_or(6), 6U);
}

TEST(Candidates, BesideAPointKeepWhatElseItSets) {
    const Audit audit = training(1, 4);
    Candidate point;
    point.fix = workers(2);
    point.fix.batch_size = 64;
    point.fix.prefetch_factor = 4;
    for (const Candidate& candidate : neighbours(audit, point)) EXPECT_EQ(candidate.fix.batch_size, 64U);
    const std::vector<std::string> words = settings(neighbours(audit, point));
    // Back to the program's own number of workers: only what else was set is left of it.
    EXPECT_NE(std::ranges::find(words, "prefetch_factor=4, batch_size=64"), words.end());
}

TEST(Candidates, SayWhatTheyChange) {
    Fix fix;
    EXPECT_EQ(changes_of(fix), Changes::nothing);
    fix.cache_bytes = 1;
    EXPECT_EQ(changes_of(fix), Changes::nothing);
    fix.threads = 1;
    EXPECT_EQ(changes_of(fix), Changes::rounding);
    fix.workers = 1;
    EXPECT_EQ(changes_of(fix), Changes::random_streams);
    fix.precision = "bfloat16";
    EXPECT_EQ(changes_of(fix), Changes::numerics);
    fix.batch_size = 1;
    EXPECT_EQ(changes_of(fix), Changes::semantics);
}

TEST(Candidates, AreJoinedWhereTheyAgree) {
    Candidate point, extra;
    point.fix = workers(2);
    extra.fix.cache_bytes = 1000;
    extra.id = "prep.cache";
    const std::optional<Candidate> both = joined(point, extra);
    ASSERT_TRUE(both);
    EXPECT_EQ(both->id, "prep.cache");
    EXPECT_EQ(as_arguments(both->fix), "num_workers=2, cache_bytes=1000");
    extra.fix.workers = 3;
    EXPECT_FALSE(joined(point, extra));
}

}  // namespace
}  // namespace headrace::trial
