# What a user gets, for `cmake --install --prefix .venv` and for the wheel alike.
if(SKBUILD)
    set(scripts_dir "${SKBUILD_SCRIPTS_DIR}")
    set(package_dir "${SKBUILD_PLATLIB_DIR}/headrace")
else()
    set(scripts_dir "${CMAKE_INSTALL_BINDIR}")
    set(package_dir
        "${CMAKE_INSTALL_LIBDIR}/python${Python3_VERSION_MAJOR}.${Python3_VERSION_MINOR}/site-packages/headrace")
endif()
install(TARGETS headrace RUNTIME DESTINATION "${scripts_dir}")
install(DIRECTORY python/headrace/ DESTINATION "${package_dir}"
    FILES_MATCHING PATTERN "*.py" PATTERN "py.typed" PATTERN "__pycache__" EXCLUDE)
install(FILES VERSION DESTINATION "${package_dir}")
install(TARGETS headrace_recorder LIBRARY DESTINATION "${package_dir}/shim")
