# Files compiled into the program, so that the report needs nothing beside the binary.

# switchyard_embed(TARGET FILES ...): makes the text of each file available to TARGET's sources:
#   #include "embedded.h"
#   std::string_view script = switchyard::embedded_file("d3.min.js");
# by file name without folders. An unknown name throws std::out_of_range.
function(switchyard_embed TARGET)
  cmake_parse_arguments(ARG "" "" "FILES" ${ARGN})
  set(folder "${PROJECT_BINARY_DIR}/embedded")
  set(generated "${folder}/${TARGET}_embedded.cpp")
  add_custom_command(
    OUTPUT "${generated}"
    COMMAND ${CMAKE_COMMAND} "-DOUTPUT=${generated}" "-DFILES=${ARG_FILES}"
            -P "${PROJECT_SOURCE_DIR}/cmake/embed_files.cmake"
    DEPENDS ${ARG_FILES} "${PROJECT_SOURCE_DIR}/cmake/embed_files.cmake"
    COMMENT "Embedding the report's files"
    VERBATIM)
  file(CONFIGURE OUTPUT "${folder}/embedded.h" CONTENT
"#pragma once

#include <string_view>

namespace switchyard {

/// The text of a file that was compiled into the program, by name without folders.
/// Throws std::out_of_range for an unknown name.
std::string_view embedded_file(std::string_view name);

}  // namespace switchyard
")
  target_sources(${TARGET} PRIVATE "${generated}")
  target_include_directories(${TARGET} PRIVATE "${folder}")
endfunction()
