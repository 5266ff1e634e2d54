# The sources of the operations, whose rules the page of `switchyard graph` shows, are compiled into
# switchyard_analysis.

if(_analysis_type STREQUAL "STATIC_LIBRARY")
  switchyard_sources(_rules engine/ops engine/autograd)
  set(_declarations "")
  set(_entries "")
  foreach(_file ${_rules})
    file(RELATIVE_PATH _path "${PROJECT_SOURCE_DIR}" "${_file}")
    string(REGEX REPLACE "[./]" "_" _name "${_path}")
    switchyard_embed(switchyard_analysis switchyard::graph_sources ${_name} "${_file}")
    string(APPEND _declarations "extern const std::string_view ${_name};\n")
    string(APPEND _entries "      {\"${_path}\", graph_sources::${_name}},\n")
  endforeach()
  set(_list "${PROJECT_BINARY_DIR}/generated/graph_sources.cpp")
  file(CONFIGURE OUTPUT "${_list}" CONTENT "\
// Made by CMake from the files of engine/ops and engine/autograd.
#include \"analysis/graph/source.h\"
namespace switchyard::graph_sources {
${_declarations}}
namespace switchyard::graph {
const std::vector<std::pair<std::string_view, std::string_view>>& embedded_sources() {
  static const std::vector<std::pair<std::string_view, std::string_view>> all = {
${_entries}  };
  return all;
}
}
")
  target_sources(switchyard_analysis PRIVATE "${_list}")
endif()
