# The exercises of docs/labs. A folder N-NAME has lab.cpp, with a gap or a fault, solution.cpp and
# check.cpp, whose main() looks at either: the programs lab_N and solution_N.

# The programs' output must be what the lab's page shows: the first block fenced as ```text is of the
# lab as it comes, the second of its solution. Where the reader has changed lab.cpp it is skipped.
set(_run_lab "${PROJECT_SOURCE_DIR}/tests/labs/run_lab.sh")

file(GLOB _labs CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/docs/labs/[0-9]*-*/check.cpp")
foreach(_check ${_labs})
  get_filename_component(_folder "${_check}" DIRECTORY)
  get_filename_component(_name "${_folder}" NAME)
  string(REGEX REPLACE "-.*" "" _number "${_name}")
  add_library(lab_${_number}_check OBJECT "${_check}")
  target_link_libraries(lab_${_number}_check PRIVATE switchyard_flags switchyard_engine fmt::fmt)
  switchyard_light_optimisation(lab_${_number}_check)
  foreach(_part lab solution)
    set(_target ${_part}_${_number})
    add_executable(${_target} "${_folder}/${_part}.cpp")
    target_link_libraries(${_target} PRIVATE lab_${_number}_check switchyard_flags switchyard_engine
                                             fmt::fmt)
    set_target_properties(${_target} PROPERTIES
                          RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/labs")
    switchyard_light_optimisation(${_target})
    add_test(NAME lab.${_name}.${_part}
             COMMAND "${_run_lab}" $<TARGET_FILE:${_target}> "${_folder}" ${_part})
    # A lab may leak: one is about that.
    set_tests_properties(lab.${_name}.${_part} PROPERTIES
                         LABELS labs SKIP_RETURN_CODE 77
                         ENVIRONMENT "ASAN_OPTIONS=detect_leaks=0;OMP_NUM_THREADS=1")
  endforeach()
endforeach()
