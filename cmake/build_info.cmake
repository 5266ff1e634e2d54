# build_info.h: which version and commit the program was built from. Looked up at every build and
# written only when it changed, so that a commit recompiles the one source that includes it.

if(CMAKE_SCRIPT_MODE_FILE)
  cmake_minimum_required(VERSION 3.22)
  set(commit "")
  if(GIT)
    execute_process(COMMAND "${GIT}" describe --always --dirty --exclude=*
                    WORKING_DIRECTORY "${SOURCE_DIR}" OUTPUT_VARIABLE commit
                    OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endif()
  file(CONFIGURE OUTPUT "${OUTPUT}" @ONLY CONTENT
"#pragma once

namespace switchyard {

inline constexpr char kVersion[] = \"@VERSION@\";
/// Short hash, with -dirty where the tree was changed; empty if unknown.
inline constexpr char kGitCommit[] = \"@commit@\";

}  // namespace switchyard
")
  return()
endif()

find_program(SWITCHYARD_GIT git)
mark_as_advanced(SWITCHYARD_GIT)
set(_git "")
if(SWITCHYARD_GIT)
  set(_git "${SWITCHYARD_GIT}")
endif()
set(_build_info "${PROJECT_BINARY_DIR}/generated/build_info.h")
add_custom_target(switchyard_build_info
  COMMAND ${CMAKE_COMMAND} "-DGIT=${_git}" "-DSOURCE_DIR=${PROJECT_SOURCE_DIR}"
          "-DOUTPUT=${_build_info}" "-DVERSION=${PROJECT_VERSION}" -P "${CMAKE_CURRENT_LIST_FILE}"
  BYPRODUCTS "${_build_info}"
  VERBATIM)
target_include_directories(switchyard_flags INTERFACE "${PROJECT_BINARY_DIR}/generated")
