// Writes spool files as src/capture does, or as nobody should.
#pragma once

#include <cstring>
#include <string>

#include "run/fixture.h"
#include "run/spool_format.h"

namespace headrace::run {

class SpoolBuilder {
public:
    SpoolBuilder() {
        header.magic = spool::magic;
        header.version = spool::version;
        header.pid = 100;
        header.parent_pid = 99;
        header.tid = 100;
        header.opened = 1000;
        header.process_start = 900;
        header.main_thread = 1;
    }

    SpoolBuilder& record(spool::Kind kind, std::uint64_t start, std::uint64_t duration = 0, std::uint64_t a = 0,
                         std::uint64_t b = 0) {
        const spool::Record record{start, duration << 8 | static_cast<std::uint64_t>(kind), a, b};
        records.append(reinterpret_cast<const char*>(&record), sizeof record);
        return *this;
    }

    SpoolBuilder& text(spool::TextKind kind, const std::string& text, std::uint64_t start = 2000) {
        record(spool::Kind::text, start, 0, text.size(), static_cast<std::uint64_t>(kind));
        records += text;
        records.resize((records.size() + spool::record_bytes - 1) / spool::record_bytes * spool::record_bytes, '\0');
        return *this;
    }

    SpoolBuilder& open(spool::Kind kind, std::uint64_t start) {
        header.open[header.depth++] = {start, static_cast<std::uint64_t>(kind)};
        return *this;
    }

    std::string content(std::size_t reserved = 0) const {
        std::string out(spool::header_bytes, '\0');
        std::memcpy(out.data(), &header, sizeof header);
        return out + records + std::string(reserved, '\0');
    }

    spool::Header header{};
    std::string records;
};

}  // namespace headrace::run
