# Targets by folder: a new source file needs no edit of a list.

# Sets OUT to the .cpp files of FOLDERS (not of their subfolders).
function(switchyard_sources OUT)
  set(patterns ${ARGN})
  list(TRANSFORM patterns PREPEND "${PROJECT_SOURCE_DIR}/")
  list(TRANSFORM patterns APPEND "/*.cpp")
  file(GLOB sources CONFIGURE_DEPENDS ${patterns})
  set(${OUT} ${sources} PARENT_SCOPE)
endfunction()

# switchyard_library(NAME FOLDERS ... [PUBLIC libraries] [PRIVATE libraries]): the internal static
# library switchyard_NAME, alias Switchyard::NAME. Without sources it is an interface library, so
# that whatever links it still configures.
function(switchyard_library NAME)
  cmake_parse_arguments(ARG "" "" "FOLDERS;PUBLIC;PRIVATE" ${ARGN})
  set(target switchyard_${NAME})
  switchyard_sources(sources ${ARG_FOLDERS})
  if(sources)
    add_library(${target} STATIC ${sources})
    target_link_libraries(${target} PUBLIC ${ARG_PUBLIC}
                          PRIVATE $<BUILD_INTERFACE:switchyard_flags> ${ARG_PRIVATE})
    target_compile_features(${target} PUBLIC cxx_std_20)
    target_include_directories(${target} PUBLIC
      $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<INSTALL_INTERFACE:include/switchyard>)
    add_dependencies(${target} switchyard_build_info)
  else()
    message(STATUS "switchyard_${NAME}: no sources")
    add_library(${target} INTERFACE)
    target_link_libraries(${target} INTERFACE ${ARG_PUBLIC})
  endif()
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${NAME})
  add_library(Switchyard::${NAME} ALIAS ${target})
  set_property(GLOBAL APPEND PROPERTY SWITCHYARD_LIBRARIES ${target})
endfunction()

# switchyard_program(NAME FOLDERS ... LIBRARIES ...): an executable at the top of the build folder.
function(switchyard_program NAME)
  cmake_parse_arguments(ARG "" "" "FOLDERS;LIBRARIES" ${ARGN})
  switchyard_sources(sources ${ARG_FOLDERS})
  if(NOT sources)
    message(STATUS "${NAME}: no sources")
    return()
  endif()
  add_executable(${NAME} ${sources})
  target_link_libraries(${NAME} PRIVATE switchyard_flags ${ARG_LIBRARIES})
  add_dependencies(${NAME} switchyard_build_info)
  set_target_properties(${NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}")
endfunction()

# switchyard_collect(TARGET FOLDER folder SUFFIX suffix HEADER header NAMESPACE namespace RETURNS type
# ELEMENT type FUNCTION name): compiles into TARGET the function `ELEMENTS FUNCTION()`, which appends
# what `RETURNS FILE_SUFFIX()` returns for every FILE.cpp of the folder, by name. So a new file of
# the folder is part of the whole without a list to edit.
function(switchyard_collect TARGET)
  cmake_parse_arguments(ARG "" "FOLDER;SUFFIX;HEADER;NAMESPACE;RETURNS;ELEMENT;FUNCTION" "" ${ARGN})
  file(GLOB files CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${ARG_FOLDER}/*.cpp")
  set(declarations "")
  set(calls "")
  foreach(file ${files})
    get_filename_component(name "${file}" NAME_WE)
    string(APPEND declarations "${ARG_RETURNS} ${name}_${ARG_SUFFIX}();\n")
    string(APPEND calls "  append(all, ${name}_${ARG_SUFFIX}());\n")
  endforeach()
  set(source "${PROJECT_BINARY_DIR}/generated/${ARG_FUNCTION}.cpp")
  file(CONFIGURE OUTPUT "${source}" CONTENT "\
// Made by CMake from the files of ${ARG_FOLDER}.
#include \"${ARG_HEADER}\"
#include <utility>
namespace ${ARG_NAMESPACE} {
${declarations}
namespace {
using All = std::vector<${ARG_ELEMENT}>;
[[maybe_unused]] void append(All& all, ${ARG_ELEMENT} one) { all.push_back(std::move(one)); }
[[maybe_unused]] void append(All& all, All some) {
  for (${ARG_ELEMENT}& one : some) all.push_back(std::move(one));
}
}
std::vector<${ARG_ELEMENT}> ${ARG_FUNCTION}() {
  All all;
${calls}  return all;
}
}
")
  target_sources(${TARGET} PRIVATE "${source}")
endfunction()
