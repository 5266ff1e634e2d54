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
