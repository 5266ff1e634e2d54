# Warnings, optimisation, sanitizers. Ours only: nothing here reaches a program that uses the
# installed package.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)  # for clang-tidy

set(CMAKE_CXX_FLAGS_RELEASE "-O3 -DNDEBUG")
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g1 -fno-omit-frame-pointer -D_GLIBCXX_ASSERTIONS")

find_program(SWITCHYARD_CCACHE_PROGRAM ccache)
mark_as_advanced(SWITCHYARD_CCACHE_PROGRAM)
if(SWITCHYARD_CCACHE AND SWITCHYARD_CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Without this ccache passes every file with a precompiled header on to the compiler.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros
                                  "${SWITCHYARD_CCACHE_PROGRAM}")
  set(CMAKE_CUDA_COMPILER_LAUNCHER "${SWITCHYARD_CCACHE_PROGRAM}")
endif()

add_library(switchyard_flags INTERFACE)
target_include_directories(switchyard_flags INTERFACE "${PROJECT_SOURCE_DIR}")

target_compile_options(switchyard_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wfloat-conversion -Wnon-virtual-dtor -Woverloaded-virtual
  $<$<BOOL:${SWITCHYARD_WERROR}>:-Werror>)

# GCC 12 sees overlapping copies in every std::string addition (its bug 105651).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(switchyard_flags INTERFACE -Wno-restrict)
endif()

# No -ffast-math: NaN must stay visible and sums keep their order. These two only drop errno and
# floating-point traps, which nobody reads, and let sqrt and comparisons vectorise.
target_compile_options(switchyard_flags INTERFACE -fno-math-errno -fno-trapping-math)
if(SWITCHYARD_MARCH)
  target_compile_options(switchyard_flags INTERFACE -march=${SWITCHYARD_MARCH})
endif()

# switchyard_precompile(TARGET HEADER ...): large headers of other projects that most files of a
# program include, read once. For programs alone: in a library it would hide a missing include.
function(switchyard_precompile TARGET)
  target_precompile_headers(${TARGET} PRIVATE ${ARGN})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${TARGET} PRIVATE -fpch-preprocess)  # for ccache
  endif()
endfunction()

# switchyard_light_optimisation(TARGET): for what spends no time of its own, such as the command line
# and the trainer, whose compilation -O3 makes half as long again.
function(switchyard_light_optimisation TARGET)
  target_compile_options(${TARGET} PRIVATE $<$<CONFIG:Release>:-O1>)
endfunction()

if(SWITCHYARD_SANITIZE)
  # GCC 12 takes libstdc++'s <regex> for uninitialised once sanitizers stand between (GCC PR 105562).
  set(_flags -fsanitize=${SWITCHYARD_SANITIZE} -fno-omit-frame-pointer
             $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  if(SWITCHYARD_SANITIZE MATCHES "undefined")
    list(APPEND _flags -fno-sanitize-recover=undefined)
  endif()
  target_compile_options(switchyard_flags INTERFACE ${_flags})
  target_link_options(switchyard_flags INTERFACE ${_flags})
endif()
if(SWITCHYARD_FUZZ)  # libFuzzer's counters in our own code, so that it sees which input goes new ways
  target_compile_options(switchyard_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(SWITCHYARD_SANITIZE MATCHES "thread" OR SWITCHYARD_FUZZ)
  # libgomp is not instrumented: ThreadSanitizer would see a race at each of its barriers, and clang
  # has another runtime. kernels/cpu/parallel.h runs on std::thread where this is defined.
  target_compile_definitions(switchyard_flags INTERFACE SWITCHYARD_SANITIZE_THREAD)
endif()
