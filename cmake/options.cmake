# Every option of the build. docs/design/build.md says why each has its default.

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Release, Debug or RelWithDebInfo" FORCE)
endif()

# Warnings are errors with the compiler that CI uses; another version's new warnings should not
# stop a newcomer's first build.
set(_werror OFF)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION MATCHES "^12\\.")
  set(_werror ON)
endif()

option(SWITCHYARD_WERROR "Treat warnings as errors" ${_werror})
option(SWITCHYARD_TESTS "Build the tests" ON)
option(SWITCHYARD_FUZZ "Build the fuzz targets (needs clang)" OFF)
option(SWITCHYARD_CCACHE "Compile through ccache where it is installed" ON)
set(SWITCHYARD_MARCH "x86-64-v3" CACHE STRING
    "Instruction set of our own loops (-march); empty for the compiler's default")
set(SWITCHYARD_SANITIZE "" CACHE STRING
    "Sanitizers: empty, 'address,undefined' or 'thread'")
set_property(CACHE SWITCHYARD_SANITIZE PROPERTY STRINGS "" "address,undefined" "thread")

# CUDA is on where nvcc works: an old one, or one that does not know this host compiler, must not
# stop a build that needs no GPU. The summary says what was found.
find_program(SWITCHYARD_NVCC nvcc HINTS ENV CUDA_HOME PATHS /usr/local/cuda PATH_SUFFIXES bin)
mark_as_advanced(SWITCHYARD_NVCC)
if(SWITCHYARD_NVCC AND NOT DEFINED SWITCHYARD_NVCC_WORKS)
  # Preprocessing is enough, and quick: CUDA's headers reject a host compiler that they do not know.
  file(WRITE "${PROJECT_BINARY_DIR}/nvcc/probe.cu" "#include <concepts>\n")
  execute_process(COMMAND "${SWITCHYARD_NVCC}" -std=c++20 -arch=sm_90
                          -ccbin "${CMAKE_CXX_COMPILER}" -E probe.cu -o probe.ii
                  WORKING_DIRECTORY "${PROJECT_BINARY_DIR}/nvcc"
                  RESULT_VARIABLE _failed OUTPUT_VARIABLE _ignored ERROR_VARIABLE _ignored)
  if(_failed EQUAL 0)
    set(SWITCHYARD_NVCC_WORKS ON CACHE INTERNAL "nvcc compiles C++20 with this host compiler")
  else()
    set(SWITCHYARD_NVCC_WORKS OFF CACHE INTERNAL "nvcc compiles C++20 with this host compiler")
  endif()
endif()
set(_cuda OFF)
if(SWITCHYARD_NVCC_WORKS AND NOT SWITCHYARD_SANITIZE)
  set(_cuda ON)
endif()
option(SWITCHYARD_CUDA "Compile the kernels for GPUs (needs nvcc)" ${_cuda})
set(SWITCHYARD_CUDA_ARCHITECTURES "80-real;90-real;90-virtual" CACHE STRING
    "GPU architectures; the last entry keeps PTX for later ones")
option(SWITCHYARD_SIMT "Build the SIMT executor, which runs the CUDA kernels on the host" ON)
