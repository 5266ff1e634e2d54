#include "kernels/cuda/cudnn/functions.h"

#include <fmt/format.h>

#include "kernels/common/shared_library.h"
#include "kernels/cuda/library_calls.h"

namespace switchyard::kernels {
namespace {

CudnnFunctions load_cudnn() {
  require_library_calls("cuDNN");
  const std::string file = fmt::format("libcudnn.so.{}", CUDNN_MAJOR);
  const SharedLibrary library("cuDNN", {file, SWITCHYARD_CUDNN_DIR "/" + file});
  CudnnFunctions f{};
  library.load(f.version, "cudnnGetVersion");
  library.load(f.status_text, "cudnnGetErrorString");
  library.load(f.last_error, "cudnnGetLastErrorString");
  library.load(f.create, "cudnnCreate");
  library.load(f.destroy, "cudnnDestroy");
  library.load(f.set_stream, "cudnnSetStream");
  library.load(f.create_descriptor, "cudnnBackendCreateDescriptor");
  library.load(f.destroy_descriptor, "cudnnBackendDestroyDescriptor");
  library.load(f.finalize, "cudnnBackendFinalize");
  library.load(f.set_attribute, "cudnnBackendSetAttribute");
  library.load(f.get_attribute, "cudnnBackendGetAttribute");
  library.load(f.execute, "cudnnBackendExecute");
  return f;
}

}  // namespace

const CudnnFunctions& cudnn_functions() {
  static const CudnnFunctions functions = load_cudnn();
  return functions;
}

}  // namespace switchyard::kernels
