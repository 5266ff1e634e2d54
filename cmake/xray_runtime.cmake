# switchyard_xray_runtime: puts a CUDA runtime on the host beside the real one into a program that
# links it (kernels/xray/runtime). The linker sends the program's calls of these functions through it.
# Objects, so that they come before the archive with the real runtime whatever the order.

switchyard_sources(_sources kernels/xray/runtime)
add_library(switchyard_xray_runtime OBJECT ${_sources})
target_link_libraries(switchyard_xray_runtime PUBLIC switchyard_xray switchyard_cuda_runtime
                      PRIVATE switchyard_flags fmt::fmt)
set(_wrapped
  cudaDeviceGetAttribute cudaDeviceGetDefaultMemPool cudaDriverGetVersion cudaEventCreateWithFlags
  cudaEventDestroy cudaEventElapsedTime cudaEventRecord cudaEventSynchronize cudaFreeAsync
  cudaFreeHost cudaFuncSetAttribute cudaGetDeviceCount cudaGetDeviceProperties
  cudaGetDeviceProperties_v2  # what CUDA 12 makes of the name before
  cudaGetErrorString cudaGetLastError cudaHostAlloc cudaLaunchKernel cudaMallocFromPoolAsync
  cudaMemGetInfo cudaMemPoolGetAttribute cudaMemPoolSetAttribute cudaMemPoolTrimTo cudaMemcpyAsync
  cudaMemsetAsync cudaRuntimeGetVersion cudaSetDevice cudaStreamCreateWithFlags cudaStreamDestroy
  cudaStreamSynchronize
  __cudaRegisterFatBinary __cudaRegisterFunction __cudaPushCallConfiguration
  __cudaPopCallConfiguration __cudaGetKernel __cudaLaunchKernel)
list(TRANSFORM _wrapped PREPEND "LINKER:--wrap=")
target_link_options(switchyard_xray_runtime INTERFACE ${_wrapped})
