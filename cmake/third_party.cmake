# The libraries of others: found, linked in statically where a static one is installed, and precompiled where heavy.
set(HEADRACE_PACKAGES
    "libcli11-dev libfmt-dev libexpected-dev nlohmann-json3-dev libtomlplusplus-dev libsqlitecpp-dev libsqlite3-dev")

function(headrace_header variable header package)
    find_path(${variable} ${header})
    if(NOT ${variable})
        message(FATAL_ERROR "headrace cannot be built: ${header} was not found; install it with: "
                            "apt-get install ${package} (all that is needed: apt-get install ${HEADRACE_PACKAGES})")
    endif()
endfunction()
headrace_header(HEADRACE_CLI11_INCLUDE CLI/CLI.hpp libcli11-dev)
headrace_header(HEADRACE_FMT_INCLUDE fmt/format.h libfmt-dev)
headrace_header(HEADRACE_EXPECTED_INCLUDE tl/expected.hpp libexpected-dev)
headrace_header(HEADRACE_JSON_INCLUDE nlohmann/json.hpp nlohmann-json3-dev)
headrace_header(HEADRACE_TOML_INCLUDE toml++/toml.h libtomlplusplus-dev)
headrace_header(HEADRACE_SQLITECPP_INCLUDE SQLiteCpp/SQLiteCpp.h libsqlitecpp-dev)
headrace_header(HEADRACE_SQLITE_INCLUDE sqlite3.h libsqlite3-dev)
find_package(Threads REQUIRED)

add_library(headrace_third_party INTERFACE)
# Debian ships no static fmt, and a shared one would have to be installed wherever the command runs.
target_compile_definitions(headrace_third_party INTERFACE FMT_HEADER_ONLY=1)
target_include_directories(headrace_third_party SYSTEM INTERFACE
    "${HEADRACE_FMT_INCLUDE}" "${HEADRACE_EXPECTED_INCLUDE}" "${HEADRACE_JSON_INCLUDE}" "${HEADRACE_TOML_INCLUDE}")
target_link_libraries(headrace_third_party INTERFACE Threads::Threads)

# The static library where there is one, else the shared one.
function(headrace_library variable name package)
    find_library(${variable} NAMES lib${name}.a ${name})
    if(NOT ${variable})
        message(FATAL_ERROR "headrace cannot be built: the library ${name} was not found; install it with: "
                            "apt-get install ${package}")
    endif()
endfunction()
headrace_library(HEADRACE_SQLITECPP_LIBRARY SQLiteCpp libsqlitecpp-dev)
headrace_library(HEADRACE_SQLITE_LIBRARY sqlite3 libsqlite3-dev)
add_library(headrace_sqlite INTERFACE)
target_include_directories(headrace_sqlite SYSTEM INTERFACE "${HEADRACE_SQLITECPP_INCLUDE}" "${HEADRACE_SQLITE_INCLUDE}")
target_link_libraries(headrace_sqlite INTERFACE
    "${HEADRACE_SQLITECPP_LIBRARY}" "${HEADRACE_SQLITE_LIBRARY}" Threads::Threads ${CMAKE_DL_LIBS} m)

# One precompiled header that all modules share: json and fmt cost more to read than most of our files to compile.
file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/precompiled.cpp" CONTENT "// Carries the precompiled header.\n")
add_library(headrace_precompiled OBJECT "${PROJECT_BINARY_DIR}/precompiled.cpp")
target_link_libraries(headrace_precompiled PRIVATE headrace_flags headrace_third_party)
target_precompile_headers(headrace_precompiled PRIVATE <fmt/format.h> <nlohmann/json.hpp> <tl/expected.hpp>)
