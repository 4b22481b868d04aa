#include "run/row.h"

#include <cmath>

#include "run/schema.h"

namespace headrace::run {

void Row::damage(int column, const std::string& what) const {
    throw Damage{std::string("a row of its table ") + table_ + " has " + what + " in column " +
                 statement_.getColumnName(column)};
}

std::int64_t Row::integer(int column, std::int64_t least, std::int64_t most) const {
    const SQLite::Column field = statement_.getColumn(column);
    if (!field.isInteger()) damage(column, "no integer");
    const std::int64_t value = field.getInt64();
    if (value < least || value > most) damage(column, "the impossible value " + std::to_string(value));
    return value;
}

std::string Row::text(int column) const {
    const SQLite::Column field = statement_.getColumn(column);
    if (!field.isText()) damage(column, "no text");
    return field.getString();
}

void Row::get(int column, double& value) const {
    const SQLite::Column field = statement_.getColumn(column);
    if (!field.isFloat() && !field.isInteger()) damage(column, "no number");
    value = field.getDouble();
    if (!std::isfinite(value) || value < 0) damage(column, "an impossible number");
}

void Row::get(int column, Outcome& value) const {
    const std::string found = text(column);
    for (const Outcome outcome :
         {Outcome::running, Outcome::finished, Outcome::failed, Outcome::killed, Outcome::interrupted}) {
        if (found == word(outcome)) {
            value = outcome;
            return;
        }
    }
    damage(column, "an outcome without a meaning");
}

void Row::get(int column, Purpose& value) const {
    const std::string found = text(column);
    for (const Purpose purpose : {Purpose::audit, Purpose::compare}) {
        if (found == word(purpose)) {
            value = purpose;
            return;
        }
    }
    damage(column, "a purpose without a meaning");
}

void Row::get_bits(int column, std::uint64_t& value) const {
    constexpr auto any = std::numeric_limits<std::int64_t>{};
    value = static_cast<std::uint64_t>(integer(column, any.min(), any.max()));
}

}  // namespace headrace::run
