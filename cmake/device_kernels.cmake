# kernels/cuda is compiled twice: by the host compiler for the SIMT executor, always, and by nvcc for
# the GPU where there is a toolkit.

set(SWITCHYARD_DEVICES "")  # the libraries that the engine calls besides the host's kernels
file(GLOB _kernel_files CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/kernels/cuda/*.cu")

# --- the SIMT executor: each .cu through a one-line .cpp, so that its language is C++ here.
if(SWITCHYARD_SIMT)
  set(_simt_sources "")
  foreach(file ${_kernel_files})
    get_filename_component(family "${file}" NAME_WE)
    set(wrapper "${PROJECT_BINARY_DIR}/simt/${family}.cpp")
    file(CONFIGURE OUTPUT "${wrapper}" CONTENT "#include \"kernels/cuda/${family}.cu\"\n")
    list(APPEND _simt_sources "${wrapper}")
  endforeach()
  switchyard_library(simt FOLDERS kernels/simt
                     PUBLIC switchyard_kernels PRIVATE fmt::fmt ${SWITCHYARD_THREADING})
  target_sources(switchyard_simt PRIVATE ${_simt_sources})
  # The dialect defines its thread-local arrays in this library alone and needs no initialiser calls.
  target_compile_options(switchyard_simt PRIVATE -fno-extern-tls-init)
  target_compile_definitions(switchyard_simt PUBLIC SWITCHYARD_SIMT)
  list(APPEND SWITCHYARD_DEVICES switchyard_simt)
endif()

# --- the GPU
if(SWITCHYARD_CUDA)
  enable_language(CUDA)
  if(NOT DEFINED CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake 3.25 does not know nvcc's flag yet
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
    set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
  endif()
  find_package(CUDAToolkit REQUIRED)

  # Executor, memory, library calls: C++. The CUDA runtime is linked statically and looks for the
  # driver when it is first asked; cuBLAS and cuDNN are opened at their first use. So the program
  # starts, as fast as without them, on a machine that has none of the three.
  include(cmake/cuda_libraries.cmake)
  set(_runtime_folders kernels/cuda)
  if(SWITCHYARD_CUDNN_FOUND)
    list(APPEND _runtime_folders kernels/cuda/cudnn)
  endif()
  switchyard_library(cuda_runtime FOLDERS ${_runtime_folders}
                     PUBLIC switchyard_kernels CUDA::cudart_static
                     PRIVATE fmt::fmt ${CMAKE_DL_LIBS})
  string(REPLACE ";" "," _architectures "${SWITCHYARD_CUDA_ARCHITECTURES}")
  target_compile_definitions(switchyard_cuda_runtime PRIVATE
                             SWITCHYARD_CUDA_ARCHITECTURES="${_architectures}")
  switchyard_cuda_libraries(switchyard_cuda_runtime)

  # The kernels. `switchyard resources` reads what ptxas says of them, which the launcher keeps, and
  # the launch bounds from their PTX, which is left uncompressed for that. -lineinfo tells profilers
  # the source line of each instruction and changes no code.
  # A list of its own: joined to an empty ccache launcher it would end in an argument "".
  set(_launcher "${PROJECT_SOURCE_DIR}/cmake/keep_ptxas_report.sh" ${CMAKE_CUDA_COMPILER_LAUNCHER})
  set(_host_flags -Wall,-Wextra,-Wno-unused-parameter)
  add_library(switchyard_cuda STATIC ${_kernel_files})
  set_target_properties(switchyard_cuda PROPERTIES
                        CUDA_STANDARD 20 CUDA_STANDARD_REQUIRED ON
                        CUDA_ARCHITECTURES "${SWITCHYARD_CUDA_ARCHITECTURES}"
                        CUDA_COMPILER_LAUNCHER "${_launcher}"
                        EXPORT_NAME cuda)
  target_compile_options(switchyard_cuda PRIVATE
    $<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings;--expt-relaxed-constexpr;-no-compress;-lineinfo;-Xcompiler=${_host_flags}>)
  target_compile_definitions(switchyard_cuda PUBLIC SWITCHYARD_CUDA)
  target_include_directories(switchyard_cuda PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>)
  target_link_libraries(switchyard_cuda PUBLIC switchyard_cuda_runtime PRIVATE fmt::fmt)
  set_property(GLOBAL APPEND PROPERTY SWITCHYARD_LIBRARIES switchyard_cuda)
  list(APPEND SWITCHYARD_DEVICES switchyard_cuda)
endif()
