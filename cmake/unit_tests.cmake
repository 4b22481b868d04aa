# One GoogleTest executable per module, of tests/unit/<module>/*_test.cpp, and one ctest entry for each.
find_package(GTest REQUIRED)
find_package(rapidcheck REQUIRED CONFIG)

add_library(headrace_test_precompiled OBJECT "${PROJECT_BINARY_DIR}/precompiled.cpp")
target_link_libraries(headrace_test_precompiled PRIVATE headrace_flags headrace_third_party GTest::gtest rapidcheck)
target_precompile_headers(headrace_test_precompiled PRIVATE
    <gtest/gtest.h> <rapidcheck.h> <fmt/format.h> <nlohmann/json.hpp> <tl/expected.hpp>)

# The same code generation as the executables that use it, or the compiler refuses it.
set_target_properties(headrace_test_precompiled PROPERTIES POSITION_INDEPENDENT_CODE OFF)

add_custom_target(unit_tests)
foreach(module base stats sys replay run input prep evaluate compute serve audit trial report)
    file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/unit/${module}/*_test.cpp")
    if(sources)
        add_executable(${module}_test ${sources})
        target_include_directories(${module}_test PRIVATE "${PROJECT_SOURCE_DIR}/tests/unit" "${PROJECT_SOURCE_DIR}/tests")
        target_link_libraries(${module}_test PRIVATE headrace_${module} GTest::gtest_main rapidcheck)
        set_target_properties(${module}_test PROPERTIES POSITION_INDEPENDENT_CODE OFF)
        target_precompile_headers(${module}_test REUSE_FROM headrace_test_precompiled)
        add_dependencies(unit_tests ${module}_test)
        add_test(NAME ${module} COMMAND ${module}_test WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}/tests/unit")
        set_tests_properties(${module} PROPERTIES TIMEOUT 300 ENVIRONMENT "UBSAN_OPTIONS=print_stacktrace=1")
    endif()
endforeach()
