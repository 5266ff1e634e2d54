# cuBLAS, which every toolkit has, and cuDNN 9.8 or newer where it is installed: the graph interface
# makes plans for a described device since then. Their headers are needed to compile; the libraries
# are opened by the program itself, in the folder where they are found here if nowhere else.

find_library(SWITCHYARD_CUBLAS cublas HINTS "${CUDAToolkit_LIBRARY_DIR}" REQUIRED)
find_path(SWITCHYARD_CUDNN_INCLUDE cudnn_graph.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
find_library(SWITCHYARD_CUDNN cudnn HINTS "${CUDAToolkit_LIBRARY_DIR}")
mark_as_advanced(SWITCHYARD_CUBLAS SWITCHYARD_CUDNN SWITCHYARD_CUDNN_INCLUDE)

set(SWITCHYARD_CUDNN_FOUND OFF)
set(SWITCHYARD_CUDNN_STATE "not found: no --conv cudnn")
if(SWITCHYARD_CUDNN AND EXISTS "${SWITCHYARD_CUDNN_INCLUDE}/cudnn_version.h")
  file(STRINGS "${SWITCHYARD_CUDNN_INCLUDE}/cudnn_version.h" _lines
       REGEX "#define CUDNN_(MAJOR|MINOR|PATCHLEVEL) ")
  string(REGEX REPLACE ".*MAJOR ([0-9]+).*MINOR ([0-9]+).*PATCHLEVEL ([0-9]+).*" "\\1.\\2.\\3"
         SWITCHYARD_CUDNN_STATE "${_lines}")
  if(SWITCHYARD_CUDNN_STATE VERSION_LESS 9.8)
    string(APPEND SWITCHYARD_CUDNN_STATE " left out: 9.8 is needed")
  else()
    set(SWITCHYARD_CUDNN_FOUND ON)
  endif()
endif()

# switchyard_cuda_libraries(TARGET): TARGET compiles against their headers.
function(switchyard_cuda_libraries TARGET)
  get_filename_component(folder "${SWITCHYARD_CUBLAS}" DIRECTORY)
  target_compile_definitions(${TARGET} PRIVATE SWITCHYARD_CUBLAS_DIR="${folder}")
  if(SWITCHYARD_CUDNN_FOUND)
    get_filename_component(folder "${SWITCHYARD_CUDNN}" DIRECTORY)
    target_compile_definitions(${TARGET} PRIVATE SWITCHYARD_CUDNN SWITCHYARD_CUDNN_DIR="${folder}")
    target_include_directories(${TARGET} SYSTEM PRIVATE "${SWITCHYARD_CUDNN_INCLUDE}")
  endif()
endfunction()
