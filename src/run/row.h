// Reading rows of a database that may be damaged: every value is checked for its type and its range.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "headrace/run.h"

namespace headrace::run {

// Why a file is damaged, thrown inside this module only: it ends where a Result is made.
struct Damage {
    std::string why;
};

// The current row of a statement.
class Row {
public:
    Row(SQLite::Statement& statement, const char* table) : statement_(statement), table_(table) {}

    std::int64_t integer(int column, std::int64_t least, std::int64_t most) const;
    std::string text(int column) const;

    void get(int column, std::string& value) const { value = text(column); }
    void get(int column, bool& value) const { value = integer(column, 0, 1) != 0; }
    void get(int column, double& value) const;
    void get(int column, Outcome& value) const;
    void get(int column, Purpose& value) const;
    void get(int column, std::uint8_t& value) const { value = static_cast<std::uint8_t>(integer(column, 0, 255)); }
    void get(int column, std::uint32_t& value) const {
        value = static_cast<std::uint32_t>(integer(column, 0, std::numeric_limits<std::uint32_t>::max()));
    }
    void get(int column, std::uint64_t& value) const {
        value = static_cast<std::uint64_t>(integer(column, 0, std::numeric_limits<std::int64_t>::max()));
    }
    void get(int column, int& value) const {
        value = static_cast<int>(integer(column, 0, std::numeric_limits<int>::max()));
    }
    // Times and sizes: never negative, and their sums do not overflow.
    void get(int column, std::int64_t& value) const { value = integer(column, 0, std::int64_t{1} << 62); }
    // All 64 bits of an unsigned number.
    void get_bits(int column, std::uint64_t& value) const;

    template <class T>
    void get(int column, std::optional<T>& value) const {
        value.reset();
        if (!statement_.getColumn(column).isNull()) get(column, value.emplace());
    }

    [[noreturn]] void damage(int column, const std::string& what) const;

private:
    SQLite::Statement& statement_;
    const char* table_;
};

}  // namespace headrace::run
