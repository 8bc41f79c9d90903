# Cross build for 64-bit Arm; tests run under qemu-user.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_FIND_ROOT_PATH /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64;-L;/usr/aarch64-linux-gnu;-cpu;max)

# Outside parts come without Arm packages: the same versions, header-only (cmake/cross), and GoogleTest
# from the sources that Debian's libgtest-dev brings. The host's headers are searched last.
add_compile_options("SHELL:-idirafter /usr/include")
foreach(part fmt spdlog nlohmann_json GTest)
  set(${part}_DIR "${CMAKE_CURRENT_LIST_DIR}/cross" CACHE PATH "Header-only for the cross build")
endforeach()
