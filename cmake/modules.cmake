# headrace_module(name LINK libraries...): the static library headrace_<name> of src/<name>/*.cpp.
function(headrace_module name)
    cmake_parse_arguments(module "" "" "LINK" ${ARGN})
    file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/${name}/*.cpp")
    if(NOT sources)  # headers only
        add_library(headrace_${name} INTERFACE)
        target_link_libraries(headrace_${name} INTERFACE headrace_flags ${module_LINK})
        return()
    endif()
    add_library(headrace_${name} STATIC ${sources})
    target_link_libraries(headrace_${name} PUBLIC headrace_flags ${module_LINK})
    target_precompile_headers(headrace_${name} REUSE_FROM headrace_precompiled)
endfunction()
