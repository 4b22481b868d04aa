# The command, and the recorder that rides in the audited program.
file(GLOB cli_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/cli/*.cpp")
add_executable(headrace ${cli_sources})
target_link_libraries(headrace PRIVATE headrace_report headrace_trial)
set_target_properties(headrace PROPERTIES UNITY_BUILD OFF)  # each command has its own Options
target_include_directories(headrace SYSTEM PRIVATE "${HEADRACE_CLI11_INCLUDE}")
target_precompile_headers(headrace PRIVATE <CLI/CLI.hpp> <fmt/format.h> <nlohmann/json.hpp>)

# Only headers of any Python from 3.10 on: the stable ABI makes the recorder load into each of them, so it links no
# libpython. It links no C++ library either: a program may bring an older one than ours.
find_package(Python3 3.10 REQUIRED COMPONENTS Interpreter Development.Module)
file(GLOB capture_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/capture/*.cpp")
add_library(headrace_recorder MODULE ${capture_sources})
set_target_properties(headrace_recorder PROPERTIES PREFIX "" OUTPUT_NAME _recorder SUFFIX .abi3.so LINKER_LANGUAGE C)
target_compile_definitions(headrace_recorder PRIVATE Py_LIMITED_API=0x030A0000)
target_compile_options(headrace_recorder PRIVATE ${HEADRACE_WARNINGS}
    -fno-exceptions -fno-rtti -fno-threadsafe-statics -fvisibility-inlines-hidden)
target_include_directories(headrace_recorder PRIVATE "${PROJECT_SOURCE_DIR}/src")
target_include_directories(headrace_recorder SYSTEM PRIVATE ${Python3_INCLUDE_DIRS})
target_link_options(headrace_recorder PRIVATE -static-libgcc -Wl,-z,relro,-z,now)
