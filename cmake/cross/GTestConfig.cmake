# GoogleTest for the target, from the sources of Debian's package googletest.
if(NOT TARGET GTest::gtest)
  set(INSTALL_GTEST OFF)
  set(VARVE_GTEST_SOURCE /usr/src/googletest CACHE PATH "GoogleTest's sources, for cross builds")
  add_subdirectory("${VARVE_GTEST_SOURCE}" "${CMAKE_BINARY_DIR}/googletest" EXCLUDE_FROM_ALL)
endif()
