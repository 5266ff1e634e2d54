# The kernel workbench: what every entry point computes, to check its variants against, on the
# devices that this build has.

switchyard_sources(_workbench_sources kernels/workbench kernels/workbench/families)
add_library(switchyard_workbench STATIC ${_workbench_sources})
switchyard_collect(switchyard_workbench FOLDER kernels/workbench/families SUFFIX family
                   HEADER kernels/workbench/entry_point.h NAMESPACE switchyard::kernels::workbench
                   FUNCTION all_families RETURNS Family ELEMENT Family)
target_link_libraries(switchyard_workbench PUBLIC switchyard_kernels
                      PRIVATE switchyard_flags fmt::fmt $<TARGET_NAME_IF_EXISTS:switchyard_simt>
                              $<TARGET_NAME_IF_EXISTS:switchyard_cuda>)

if(SWITCHYARD_CUDA)  # `resources` and the budgets of `xray` say which compiler their figures are of
  set_source_files_properties(app/nvcc_version.cpp PROPERTIES COMPILE_DEFINITIONS
    "SWITCHYARD_NVCC_VERSION=\"${CMAKE_CUDA_COMPILER_VERSION}\"")
endif()
