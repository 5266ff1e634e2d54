# What this build is, in a few lines at the end of the configuration.

if(SWITCHYARD_CUDA)
  set(_cuda "${SWITCHYARD_CUDA_ARCHITECTURES} (${SWITCHYARD_NVCC})")
elseif(SWITCHYARD_NVCC AND NOT SWITCHYARD_NVCC_WORKS)
  set(_cuda "left out: ${SWITCHYARD_NVCC} cannot compile C++20 with this host compiler")
elseif(SWITCHYARD_NVCC)
  set(_cuda "left out: SWITCHYARD_CUDA is off")
else()
  set(_cuda "left out: nvcc not found")
endif()
set(_sanitize "none")
if(SWITCHYARD_SANITIZE)
  set(_sanitize "${SWITCHYARD_SANITIZE}")
endif()

message(STATUS "Switchyard ${PROJECT_VERSION}")
message(STATUS "  compiler    ${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}, "
               "${CMAKE_BUILD_TYPE}, -march=${SWITCHYARD_MARCH}")
message(STATUS "  sanitizers  ${_sanitize}")
message(STATUS "  oneDNN      ${DNNL_VERSION}")
message(STATUS "  CUDA        ${_cuda}")
