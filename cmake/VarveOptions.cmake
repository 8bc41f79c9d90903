# Flags that every target of varve shares.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
# CMake's own default is -O3, which makes the kernels larger and no faster. What the user set stays.
if("$CACHE{CMAKE_CXX_FLAGS_RELEASE}" STREQUAL "-O3 -DNDEBUG")
  set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
endif()
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")

find_program(CCACHE ccache)
if(CCACHE)
  # One cache serves every checkout and preset: paths below the source root do not count.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      "${CMAKE_COMMAND}" -E env "CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}" CCACHE_NOHASHDIR=1
      "CCACHE_SLOPPINESS=pch_defines,time_macros" "${CCACHE}")
endif()

option(VARVE_WERROR "A compiler's warning is an error" ON)

find_package(fmt REQUIRED)
find_package(Threads REQUIRED)
add_library(varve_options INTERFACE)
target_compile_options(varve_options INTERFACE
  -Wall -Wextra -Wno-missing-field-initializers -Wshadow -Wconversion -Wno-sign-conversion
  $<$<BOOL:${VARVE_WERROR}>:-Werror>
  -ffp-contract=off            # one answer: a multiply and an add fuse only where a kernel says so
  -fno-math-errno)
if(CMAKE_CROSSCOMPILING)  # GCC 12 for Arm sees std::variant's unused members
  target_compile_options(varve_options INTERFACE -Wno-maybe-uninitialized)
endif()
target_include_directories(varve_options INTERFACE "$<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/src>")
target_link_libraries(varve_options INTERFACE Threads::Threads)

if(VARVE_SANITIZE)
  # GCC cannot follow initialisation through the sanitizers' own code: the release build warns of it.
  target_compile_options(varve_options INTERFACE -fsanitize=${VARVE_SANITIZE}
    -fno-omit-frame-pointer -fno-sanitize-recover=all -Wno-maybe-uninitialized)
  target_link_options(varve_options INTERFACE -fsanitize=${VARVE_SANITIZE})
endif()
if(VARVE_COVERAGE)
  target_compile_options(varve_options INTERFACE --coverage)
  target_link_options(varve_options INTERFACE --coverage)
endif()
if(VARVE_FUZZ)
  target_compile_options(varve_options INTERFACE -fsanitize=fuzzer-no-link,address,undefined)
  target_link_options(varve_options INTERFACE -fsanitize=address,undefined)
endif()
