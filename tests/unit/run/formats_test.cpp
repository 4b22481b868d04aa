// The format documents and the code say the same thing.
#include <SQLiteCpp/SQLiteCpp.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <sstream>

#include "run/fixture.h"
#include "run/kinds.h"
#include "run/spool_file.h"

namespace headrace::run {
namespace {

std::string document(const char* name) {
    const std::string text =
        content_of(std::filesystem::path(__FILE__).parent_path() / "../../../docs" / "formats" / name);
    EXPECT_FALSE(text.empty()) << name << " was not found";
    return text;
}

void expect_row(const std::string& text, const std::string& row) {
    EXPECT_NE(text.find("\n" + row), std::string::npos) << row;
}

TEST(Formats, SpoolDocumentListsTheHeaderAsItIs) {
    const std::string text = document("spool.md");
    using spool::Header;
    const auto field = [&](std::size_t offset, std::size_t size, const std::string& name) {
        expect_row(text, "| " + std::to_string(offset) + " | " + std::to_string(size) + " | `" + name + "` |");
    };
#define HEADER_FIELD(member, name) field(offsetof(Header, member), sizeof(Header::member), name)
    HEADER_FIELD(magic, "magic");
    HEADER_FIELD(version, "version");
    HEADER_FIELD(pid, "pid");
    HEADER_FIELD(parent_pid, "parent_pid");
    HEADER_FIELD(tid, "tid");
    HEADER_FIELD(opened, "opened");
    HEADER_FIELD(process_start, "process_start");
    HEADER_FIELD(main_thread, "main_thread");
    HEADER_FIELD(full, "full");
    HEADER_FIELD(dropped, "dropped");
    HEADER_FIELD(hooks, "hooks");
    HEADER_FIELD(self_ns, "self_ns");
    HEADER_FIELD(disabled, "disabled");
    HEADER_FIELD(call_ns, "call_ns");
    HEADER_FIELD(depth, "depth");
    HEADER_FIELD(python.thread_state, "thread_state");
    HEADER_FIELD(python.debug_offsets, "debug_offsets");
    HEADER_FIELD(python.version_hex, "version_hex");
    HEADER_FIELD(rank, "rank");
    HEADER_FIELD(local_rank, "local_rank");
    HEADER_FIELD(trains, "trains");
    HEADER_FIELD(full_error, "full_error");
    HEADER_FIELD(teardown, "teardown");
    HEADER_FIELD(waits_on, "waits_on");
#undef HEADER_FIELD
    using spool::Control;
#define CONTROL_FIELD(member) field(offsetof(Control, member), sizeof(Control::member), #member)
    CONTROL_FIELD(magic);
    CONTROL_FIELD(version);
    CONTROL_FIELD(recording);
    CONTROL_FIELD(max_steps);
    CONTROL_FIELD(steps);
    CONTROL_FIELD(ended);
    CONTROL_FIELD(exit_code);
    CONTROL_FIELD(signal);
    CONTROL_FIELD(held);
#undef CONTROL_FIELD
    expect_row(text, "| " + std::to_string(offsetof(Header, open)) + " | 16 × 16 | `open` |");
}

TEST(Formats, SpoolDocumentListsEveryKind) {
    const std::string text = document("spool.md");
    unsigned known = 0;
    for (unsigned number = 0; number < kind_limit; ++number) {
        const KindText kind = describe(static_cast<spool::Kind>(number));
        if (kind.name.empty()) continue;
        ++known;
        expect_row(text, "| " + std::to_string(number) + " | `" + std::string(kind.name) + "` |");
    }
    EXPECT_GE(known, 32U);
    for (unsigned number = 1; number < text_kind_limit; ++number) {
        const KindText kind = describe(static_cast<spool::TextKind>(number));
        if (!kind.name.empty())
            expect_row(text, "| " + std::to_string(number) + " | `" + std::string(kind.name) + "` |");
    }
}

TEST(Formats, RunDocumentNamesEveryTableColumnAndKey) {
    const std::string text = document("run.md");
    const TemporaryFolder temporary;
    const Folder folder{temporary.path()};
    ASSERT_TRUE(write(folder, sample_run()));
    SQLite::Database database(folder.database().string());
    SQLite::Statement columns(
        database,
        "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c "
        "UNION ALL SELECT 'meta', key FROM meta UNION ALL SELECT 'meta_list', key FROM meta_list");
    int seen = 0;
    while (columns.executeStep()) {
        ++seen;
        const std::string table = columns.getColumn(0).getString();
        const std::string column = columns.getColumn(1).getString();
        EXPECT_NE(text.find(table), std::string::npos) << table;
        const bool named = text.find("`" + column + "`") != std::string::npos ||
                           text.find(column + ",") != std::string::npos ||
                           text.find(column + ")") != std::string::npos || text.find(column + " ") != std::string::npos;
        EXPECT_TRUE(named) << table << "." << column;
    }
    EXPECT_GT(seen, 80);
    EXPECT_NE(text.find("| `application_id` | 1213355342 (0x4852554E"), std::string::npos);
    EXPECT_EQ(database.execAndGet("PRAGMA application_id").getInt(), 1213355342);
    EXPECT_EQ(database.execAndGet("PRAGMA user_version").getInt(), schema_version);
}

TEST(Formats, QueriesOfTheRunDocumentWork) {
    const std::string text = document("run.md");
    const std::size_t begin = text.find("```sql\n");
    ASSERT_NE(begin, std::string::npos);
    const std::string sql = text.substr(begin + 7, text.find("```", begin + 7) - begin - 7);
    const TemporaryFolder temporary;
    const Folder folder{temporary.path()};
    ASSERT_TRUE(write(folder, sample_run()));
    SQLite::Database database(folder.database().string());
    int queries = 0;
    std::istringstream in(sql);
    for (std::string query; std::getline(in, query, ';');) {
        if (query.find("SELECT") == std::string::npos) continue;
        SQLite::Statement statement(database, query);
        while (statement.executeStep()) EXPECT_GT(statement.getColumnCount(), 1);
        ++queries;
    }
    EXPECT_EQ(queries, 3);
}

}  // namespace
}  // namespace headrace::run
