# Cross build for 64-bit Arm; tests run under qemu-user. What varve's core needs of other parts is headers only
# (cmake/cross), so no package of the target system is needed.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_FIND_ROOT_PATH /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
foreach(package fmt spdlog nlohmann_json GTest)
  set(${package}_DIR "${CMAKE_CURRENT_LIST_DIR}/cross")
endforeach()
set(VARVE_EMULATED_CPU max CACHE STRING "The processor that qemu-user stands for: max, neoverse-n1, cortex-a72")
set(CMAKE_CROSSCOMPILING_EMULATOR "qemu-aarch64;-L;/usr/aarch64-linux-gnu;-cpu;${VARVE_EMULATED_CPU}")
