#include "run/history.h"

#include <SQLiteCpp/SQLiteCpp.h>

#include <algorithm>
#include <cmath>
#include <system_error>
#include <utility>
#include <vector>

#include "run/history_file.h"

namespace headrace::run {
namespace {

namespace fs = std::filesystem;

struct PastError {
    std::string kind;
    // The square of the logarithm of measured by predicted, less what of it is the trial's own noise, in variances of
    // the model's own prediction.
    double square;
};

std::vector<PastError> past_errors(const fs::path& file, const std::string& started) {
    constexpr int patience = 10'000;               // milliseconds, for another process that writes
    constexpr double deviations_to_ends = 1.6449;  // of a normal distribution, for 90 %
    std::vector<PastError> errors;
    SQLite::Database database(file.string(), SQLite::OPEN_READONLY, patience);
    SQLite::Statement rows(database,
                           // One for each run: of several tries of one finding the last.
                           "SELECT kind, predicted, predicted_low, predicted_high, measured, measured_low, "
                           "measured_high, interval_scale, max(id) FROM trial "
                           "WHERE predicted IS NOT NULL AND started < ? GROUP BY run, kind ORDER BY id");
    rows.bind(1, started);
    while (rows.executeStep()) {
        const double predicted = rows.getColumn(1).getDouble(), low = rows.getColumn(2).getDouble();
        const double high = rows.getColumn(3).getDouble(), measured = rows.getColumn(4).getDouble();
        if (low <= 0 || high <= low || predicted <= 0 || measured <= 0) continue;
        const double scale = rows.getColumn(7).getDouble();
        const auto deviation_of = [](double from, double to) { return std::log(to / from) / (2 * deviations_to_ends); };
        const double deviation = deviation_of(low, high) / std::max(scale, 1e-9);
        const double noise = deviation_of(rows.getColumn(5).getDouble(), rows.getColumn(6).getDouble());
        const double error = std::log(measured / predicted);
        const double square = std::max(0.0, error * error - noise * noise) / (deviation * deviation);
        errors.push_back({rows.getColumn(0).getString(), square});
    }
    return errors;
}

}  // namespace

Result<void> add_to_history(const fs::path& home, const Trial& trial) {
    return change_history(home, [&](SQLite::Database& database) { insert_trial(database, trial); });
}

IntervalScales interval_scales(const fs::path& home, const std::string& started) {
    // What the model's own intervals count for: as much as so many trials that came out as they say.
    constexpr double trials_of_the_model = 4;
    constexpr double narrowest = 0.5, widest = 4;
    std::error_code error;
    if (!fs::exists(history_file(home), error)) return {};
    std::map<std::string, std::pair<double, double>> sums;  // squares and their number
    try {
        for (const PastError& past : past_errors(history_file(home), started)) {
            auto& [squares, count] = sums[past.kind];
            squares += past.square;
            ++count;
        }
    } catch (const SQLite::Exception&) {
        return {};
    }
    IntervalScales scales;
    for (const auto& [kind, sum] : sums) {
        const double square = (trials_of_the_model + sum.first) / (trials_of_the_model + sum.second);
        scales[kind] = std::clamp(std::sqrt(square), narrowest, widest);
    }
    return scales;
}

std::string kind_of(const std::string& id) {
    const std::size_t area = id.find('.');
    return area == std::string::npos ? id : id.substr(0, id.find('.', area + 1));
}

Interval scaled(const Interval& interval, double scale) {
    const auto end = [&](double at) { return interval.predicted * std::pow(at / interval.predicted, scale); };
    return {interval.predicted, end(interval.low), end(interval.high)};
}

}  // namespace headrace::run
