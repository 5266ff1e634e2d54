# SWITCHYARD_FUZZ: one libFuzzer program per reader of bytes from outside. tests/fuzz/NAME_fuzz.cpp
# becomes fuzz_NAME; fuzz_seeds writes the inputs that they start from. The preset `fuzz` builds them
# and `./run fuzz` runs them; docs/design/fuzzing.md says more.

if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  message(FATAL_ERROR "SWITCHYARD_FUZZ needs clang, whose run-time library has libFuzzer: "
                      "cmake --preset fuzz")
endif()

set(_fuzz_output "${PROJECT_BINARY_DIR}/tests/fuzz")

# switchyard_fuzz_program(NAME SOURCES...)
function(switchyard_fuzz_program NAME)
  add_executable(${NAME} ${ARGN})
  target_link_libraries(${NAME} PRIVATE switchyard_flags switchyard_analysis switchyard_xray ZLIB::ZLIB
                        LibArchive::LibArchive fmt::fmt)
  set_target_properties(${NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${_fuzz_output}")
endfunction()

file(GLOB _fuzz_files CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/fuzz/*_fuzz.cpp")
foreach(file ${_fuzz_files})
  get_filename_component(name "${file}" NAME_WE)
  string(REGEX REPLACE "^(.*)_fuzz$" "fuzz_\\1" target "${name}")
  switchyard_fuzz_program(${target} "${file}" tests/support/image_files.cpp)
  target_link_options(${target} PRIVATE -fsanitize=fuzzer)
endforeach()
switchyard_fuzz_program(fuzz_seeds tests/fuzz/write_seeds.cpp tests/support/image_files.cpp
                        tests/data/archive_files.cpp)
target_compile_definitions(fuzz_seeds PRIVATE SWITCHYARD_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
