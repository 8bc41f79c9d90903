include(VarveArrows)

# varve_module(NAME SOURCES a.cpp ... NEEDS core ... [LIBS fmt::fmt ...])
# One folder under src/ = one static library `varve_NAME`. NEEDS are other folders, LIBS are outside parts.
function(varve_module name)
  cmake_parse_arguments(ARG "" "" "SOURCES;NEEDS;LIBS" ${ARGN})
  if(NOT DEFINED VARVE_ARROWS_${name})
    message(FATAL_ERROR "src/${name} has no line in cmake/VarveArrows.cmake")
  endif()
  add_library(varve_${name} STATIC ${ARG_SOURCES})
  add_library(varve::${name} ALIAS varve_${name})
  set_target_properties(varve_${name} PROPERTIES EXPORT_NAME ${name})
  target_link_libraries(varve_${name} PUBLIC $<BUILD_INTERFACE:varve_options>)
  target_include_directories(varve_${name} PUBLIC "$<INSTALL_INTERFACE:include/varve>")
  target_compile_features(varve_${name} PUBLIC cxx_std_20)
  foreach(need ${ARG_NEEDS})
    if(NOT need IN_LIST VARVE_ARROWS_${name})
      message(FATAL_ERROR "src/${name} must not need src/${need}: see cmake/VarveArrows.cmake")
    endif()
    target_link_libraries(varve_${name} PUBLIC varve_${need})
  endforeach()
  target_link_libraries(varve_${name} PRIVATE ${ARG_LIBS})
  set_property(GLOBAL APPEND PROPERTY VARVE_MODULES varve_${name})
endfunction()

# varve_embed(NAME HEADER store/embedded.h SYMBOL varve::store::built_in_cards FILES a.toml ...)
# Compiles text files into module NAME. HEADER declares `std::span<const EmbeddedFile> SYMBOL()`.
function(varve_embed name)
  cmake_parse_arguments(ARG "" "HEADER;SYMBOL" "FILES" ${ARGN})
  string(MAKE_C_IDENTIFIER "${ARG_SYMBOL}" stem)
  set(output "${CMAKE_CURRENT_BINARY_DIR}/${stem}.cpp")
  add_custom_command(
    OUTPUT "${output}"
    COMMAND "${CMAKE_COMMAND}" "-DOUTPUT=${output}" "-DHEADER=${ARG_HEADER}" "-DSYMBOL=${ARG_SYMBOL}"
            "-DFILES=${ARG_FILES}" -P "${PROJECT_SOURCE_DIR}/cmake/embed.cmake"
    DEPENDS ${ARG_FILES} "${PROJECT_SOURCE_DIR}/cmake/embed.cmake"
    VERBATIM)
  target_sources(varve_${name} PRIVATE "${output}")
endfunction()

# varve_test(FOLDER [THREADS] SOURCES a_test.cpp ... NEEDS core ...): one test binary per folder of tests/, mirrored
# on src/. THREADS: its tests run code in several threads. They have the label `threads` and are what the target
# threaded_tests builds, for ThreadSanitizer.
function(varve_test folder)
  cmake_parse_arguments(ARG "THREADS" "" "SOURCES;NEEDS;LIBS" ${ARGN})
  string(REPLACE "/" "_" target "test_${folder}")
  add_executable(${target} ${ARG_SOURCES})
  foreach(need ${ARG_NEEDS})
    target_link_libraries(${target} PRIVATE varve_${need})
  endforeach()
  target_link_libraries(${target} PRIVATE varve_test_support ${ARG_LIBS})
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
  set(labels "")
  if(ARG_THREADS)
    set(labels LABELS threads)
    if(NOT TARGET threaded_tests)
      add_custom_target(threaded_tests)
    endif()
    add_dependencies(threaded_tests ${target})
  endif()
  gtest_discover_tests(${target} DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 600 ${labels})
endfunction()
