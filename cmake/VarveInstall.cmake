# cmake --install: the binary, the library with its headers, and a CMake package of it:
#   find_package(varve REQUIRED)
#   target_link_libraries(my_program PRIVATE varve::varve)
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/varve")
set(library_dir "${CMAKE_INSTALL_LIBDIR}/varve")

get_property(modules GLOBAL PROPERTY VARVE_MODULES)
add_library(varve_all INTERFACE)
set_target_properties(varve_all PROPERTIES EXPORT_NAME varve)
target_link_libraries(varve_all INTERFACE ${modules} Threads::Threads)
add_library(varve::varve ALIAS varve_all)

install(TARGETS varve RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
install(TARGETS ${modules} varve_all EXPORT varveTargets ARCHIVE DESTINATION "${library_dir}")
install(DIRECTORY src/ DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/varve" FILES_MATCHING PATTERN "*.h")
install(FILES "$<TARGET_PROPERTY:textkit,IMPORTED_LOCATION>" DESTINATION "${library_dir}")
install(EXPORT varveTargets NAMESPACE varve:: DESTINATION "${package_dir}")
install(FILES LICENSE README.md DESTINATION "${CMAKE_INSTALL_DOCDIR}")

set(VARVE_LIBRARY_DIR "${library_dir}")
configure_package_config_file(cmake/varveConfig.cmake.in "${CMAKE_CURRENT_BINARY_DIR}/varveConfig.cmake"
  INSTALL_DESTINATION "${package_dir}" PATH_VARS VARVE_LIBRARY_DIR)
# Before 1.0 a minor version may change the interface.
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/varveConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/varveConfig.cmake" "${CMAKE_CURRENT_BINARY_DIR}/varveConfigVersion.cmake"
  DESTINATION "${package_dir}")
