// history.db as a file: how it is opened, changed, repaired. What is in it: history.h and past_runs.h.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>

#include "headrace/result.h"
#include "headrace/trial.h"

namespace headrace::run {

inline constexpr int history_version = 2;

std::filesystem::path history_file(const std::filesystem::path& home);

struct ChangeOptions {
    // How long others that write are waited for; as long as it takes where this is absent.
    std::optional<std::chrono::milliseconds> patience;
    // Looks for damage everywhere and not only where the change comes by, which takes longer the more there is in it.
    bool check_all = true;
};

// Calls change(database) in a transaction of its own, one writer at a time. An older version is brought to this one
// first. A history that is missing or damaged is made anew, with the trials of all run folders, before the change; the
// damaged one is set aside under another name. Errors: no_space, permission_denied, io_error, newer_version.
Result<void> change_history(const std::filesystem::path& home, const std::function<void(SQLite::Database&)>& change,
                            const ChangeOptions& options = {});

// Calls look(database) with the history as it is; not at all where there is none, or an empty one. Errors: damaged,
// newer_version, permission_denied, io_error.
Result<void> look_into_history(const std::filesystem::path& home, const std::function<void(SQLite::Database&)>& look);

bool has_history_table(SQLite::Database& database, const char* name);

// A row of the table trial.
void insert_trial(SQLite::Database& database, const Trial& trial);

}  // namespace headrace::run
