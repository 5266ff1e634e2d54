# The exported package. A program outside the tree writes
#   find_package(Switchyard REQUIRED)
#   target_link_libraries(mine PRIVATE Switchyard::switchyard)
# and includes <engine/switchyard.h>.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

get_property(_libraries GLOBAL PROPERTY SWITCHYARD_LIBRARIES)
add_library(switchyard_all INTERFACE)
target_link_libraries(switchyard_all INTERFACE ${_libraries})
set_target_properties(switchyard_all PROPERTIES EXPORT_NAME switchyard)
add_library(Switchyard::switchyard ALIAS switchyard_all)

install(TARGETS ${_libraries} switchyard_all EXPORT SwitchyardTargets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(TARGET switchyard)
  install(TARGETS switchyard RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
foreach(folder kernels/api kernels/common engine data models training analysis)
  if(IS_DIRECTORY "${PROJECT_SOURCE_DIR}/${folder}")
    get_filename_component(parent "${folder}" DIRECTORY)
    install(DIRECTORY ${folder} DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/switchyard/${parent}"
            FILES_MATCHING PATTERN "*.h")
  endif()
endforeach()

set(_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/Switchyard")
install(EXPORT SwitchyardTargets NAMESPACE Switchyard:: DESTINATION "${_package_dir}")
configure_package_config_file(cmake/SwitchyardConfig.cmake.in SwitchyardConfig.cmake
                              INSTALL_DESTINATION "${_package_dir}")
write_basic_package_version_file(SwitchyardConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/SwitchyardConfig.cmake"
              "${PROJECT_BINARY_DIR}/SwitchyardConfigVersion.cmake"
              cmake/FindDNNL.cmake
        DESTINATION "${_package_dir}")
