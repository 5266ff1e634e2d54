#pragma once

#include <cudnn_graph.h>

namespace switchyard::kernels {

/// Lists what is used of cuDNN's graph interface, by the types of its header. (The older interface,
/// cudnnConvolutionForward and its like, is deprecated since version 9.)
struct CudnnFunctions {
  decltype(cudnnGetVersion)* version;
  decltype(cudnnGetErrorString)* status_text;
  decltype(cudnnGetLastErrorString)* last_error;
  decltype(cudnnCreate)* create;
  decltype(cudnnDestroy)* destroy;
  decltype(cudnnSetStream)* set_stream;
  decltype(cudnnBackendCreateDescriptor)* create_descriptor;
  decltype(cudnnBackendDestroyDescriptor)* destroy_descriptor;
  decltype(cudnnBackendFinalize)* finalize;
  decltype(cudnnBackendSetAttribute)* set_attribute;
  decltype(cudnnBackendGetAttribute)* get_attribute;
  decltype(cudnnBackendExecute)* execute;
};

/// Those of the installed library, which the first call opens. Errors: CudaError.
const CudnnFunctions& cudnn_functions();

}  // namespace switchyard::kernels
