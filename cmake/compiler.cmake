# Warnings, sanitizers and the compiler cache, as the interface library headrace_flags that everything of ours links.
add_library(headrace_flags INTERFACE)
set(HEADRACE_WARNINGS -Wall -Wextra -Wpedantic -Wconversion -Wshadow)
if(HEADRACE_WARNINGS_ARE_ERRORS)
    list(APPEND HEADRACE_WARNINGS -Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # GCC 12 sees accesses out of bounds in its own std::string at -O2 (its bugs 105329 and 105762).
    list(APPEND HEADRACE_WARNINGS -Wno-array-bounds -Wno-restrict -Wno-stringop-overflow)
    if(HEADRACE_SANITIZE)
        # What the sanitizers add makes it see more of the same; the other builds keep these warnings.
        list(APPEND HEADRACE_WARNINGS -Wno-maybe-uninitialized -Wno-stringop-overread)
    endif()
endif()
if(CMAKE_UNITY_BUILD)
    # Several sources in one: what is a file's own seems to be shared. The other builds keep these warnings.
    list(APPEND HEADRACE_WARNINGS -Wno-subobject-linkage -Wno-shadow)
endif()
target_compile_options(headrace_flags INTERFACE ${HEADRACE_WARNINGS})
target_compile_definitions(headrace_flags INTERFACE HEADRACE_VERSION="${HEADRACE_VERSION}")
target_include_directories(headrace_flags INTERFACE "${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}/src")

if(HEADRACE_SANITIZE)
    set(sanitize -fsanitize=${HEADRACE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_compile_options(headrace_flags INTERFACE ${sanitize})
    target_link_options(headrace_flags INTERFACE ${sanitize})
else()
    # The command must run where no C++ library of this compiler's age is installed.
    target_link_options(headrace_flags INTERFACE -static-libstdc++ -static-libgcc)
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    # Without this sloppiness ccache would refuse every source that uses a precompiled header.
    set(CMAKE_CXX_COMPILER_LAUNCHER
        ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
        ${CCACHE_PROGRAM})
    add_compile_options($<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fpch-preprocess>)
endif()
