#include "kernels/cuda/cudnn/conv_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "kernels/cuda/stream.h"

// A plan is built from descriptors: three tensors, the convolution, the operation that joins them,
// and a graph of that one operation. Heuristics suggest engine configurations for the graph; the
// first acceptable one from which a plan can be finalised is taken.
// https://docs.nvidia.com/deeplearning/cudnn/backend/latest/api/cudnn-graph-library.html

namespace switchyard::kernels {
namespace {

enum Uid : std::int64_t { kX = 1, kW = 2, kY = 3 };

/// A tensor that the engine stores as [n, h, w, c]: cuDNN names axes in the order n, c, h, w and
/// learns the layout from the strides. For weights n is the filter (OHWI = its KRSC).
CudnnDescriptor tensor(const CudnnFunctions& functions, const ConvQuestion& question, Uid uid,
                       std::int64_t n, std::int64_t h, std::int64_t w, std::int64_t c) {
  CudnnDescriptor tensor(functions, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  tensor.set(CUDNN_ATTR_TENSOR_DATA_TYPE, question.is_double ? CUDNN_DATA_DOUBLE : CUDNN_DATA_FLOAT)
      .set(CUDNN_ATTR_TENSOR_DIMENSIONS, {n, c, h, w})
      .set(CUDNN_ATTR_TENSOR_STRIDES, {h * w * c, std::int64_t{1}, w * c, c})
      .set(CUDNN_ATTR_TENSOR_UNIQUE_ID, std::int64_t{uid})
      .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, question.alignment)
      .finalize();
  return tensor;
}

CudnnDescriptor convolution(const CudnnFunctions& functions, const ConvQuestion& question) {
  const ConvShape& s = question.shape;
  CudnnDescriptor convolution(functions, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  convolution.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, std::int64_t{2})
      .set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE,
           question.is_double ? CUDNN_DATA_DOUBLE : CUDNN_DATA_FLOAT)
      .set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_CROSS_CORRELATION)
      .set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, {s.padding, s.padding})
      .set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, {s.padding, s.padding})
      .set(CUDNN_ATTR_CONVOLUTION_DILATIONS, {std::int64_t{1}, std::int64_t{1}})
      .set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, {s.stride, s.stride})
      .finalize();
  return convolution;
}

/// Holds cuDNN's names for the parts of a face's operation.
struct OperationNames {
  cudnnBackendDescriptorType_t type;
  cudnnBackendAttributeName_t convolution, x, w, y, alpha, beta;
};

OperationNames names_of(ConvFace face) {
  switch (face) {
    case ConvFace::kInputGrad:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
    case ConvFace::kWeightGrad:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};
    case ConvFace::kForward:
      break;
  }
  return {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
}

/// The descriptors of the question; the last is the finalised graph.
std::vector<CudnnDescriptor> graph(const CudnnFunctions& functions, const ConvQuestion& question) {
  const ConvShape& s = question.shape;
  std::vector<CudnnDescriptor> parts;
  parts.push_back(tensor(functions, question, kX, s.batch, s.height, s.width, s.channels));
  parts.push_back(
      tensor(functions, question, kW, s.filters, s.kernel_height, s.kernel_width, s.channels));
  parts.push_back(
      tensor(functions, question, kY, s.batch, s.out_height(), s.out_width(), s.filters));
  parts.push_back(convolution(functions, question));

  const OperationNames names = names_of(question.face);
  CudnnDescriptor operation(functions, names.type);
  operation.set(names.x, parts[0])
      .set(names.w, parts[1])
      .set(names.y, parts[2])
      .set(names.convolution, parts[3]);
  if (question.is_double) {
    operation.set(names.alpha, 1.0).set(names.beta, 0.0);
  } else {
    operation.set(names.alpha, 1.0F).set(names.beta, 0.0F);
  }
  operation.finalize();
  parts.push_back(std::move(operation));

  CudnnDescriptor graph(functions, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, parts.back()).finalize();
  parts.push_back(std::move(graph));
  return parts;
}

std::string description(const ConvQuestion& question) {
  constexpr const char* kFaces[] = {"convolution", "gradient of the input",
                                    "gradient of the weights"};
  const ConvShape& s = question.shape;
  return fmt::format("{} {} of x [{}, {}, {}, {}] and w [{}, {}, {}, {}], stride {}, padding {}",
                     question.is_double ? "float64" : "float32",
                     kFaces[static_cast<std::size_t>(question.face)], s.batch, s.height, s.width,
                     s.channels, s.filters, s.kernel_height, s.kernel_width, s.channels, s.stride,
                     s.padding);
}

}  // namespace

std::int64_t common_alignment(std::span<const void* const> addresses) {
  std::uintptr_t bits = 16;
  for (const void* address : addresses) bits |= reinterpret_cast<std::uintptr_t>(address);
  return static_cast<std::int64_t>(bits & (~bits + 1));  // the lowest bit that is set
}

bool acceptable(std::span<const cudnnBackendNumericalNote_t> notes, bool is_double) {
  return std::none_of(notes.begin(), notes.end(), [&](cudnnBackendNumericalNote_t note) {
    switch (note) {
      case CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC:
      case CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS:
      case CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION:
      case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6:
      case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13:
        return true;
      case CUDNN_NUMERICAL_NOTE_TENSOR_CORE:
        return !is_double;
      default:
        return false;
    }
  });
}

ConvPlan::ConvPlan(const CudnnFunctions& functions, const CudnnDescriptor& device,
                   const ConvQuestion& question)
    : functions_(functions), parts_(graph(functions, question)) {
  for (const auto mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
    CudnnDescriptor heuristic(functions, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    heuristic.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, parts_.back())
        .set(CUDNN_ATTR_ENGINEHEUR_MODE, mode)
        .set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, device);
    if (!heuristic.try_finalize()) continue;  // it knows no engine for this graph
    for (CudnnDescriptor& config : heuristic.suggestions()) {
      if (!acceptable(config.engine().notes(), question.is_double) || !adopt(device, config)) {
        continue;
      }
      parts_.push_back(std::move(config));
      return;
    }
  }
  throw CudaError(
      fmt::format("[conv2d] cuDNN {} has no deterministic engine in full precision for "
                  "the {}",
                  functions.version(), description(question)));
}

bool ConvPlan::adopt(const CudnnDescriptor& device, const CudnnDescriptor& config) {
  CudnnDescriptor plan(functions_, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config)
      .set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, device);
  if (!plan.try_finalize()) return false;
  workspace_bytes_ = static_cast<std::size_t>(plan.int64(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE));
  plan_.push_back(std::move(plan));
  return true;
}

void ConvPlan::run(cudnnHandle_t handle, const void* x, const void* w, const void* y,
                   void* workspace) const {
  const auto pointer = [](const void* data) { return const_cast<void*>(data); };
  CudnnDescriptor pack(functions_, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS,
           {std::int64_t{kX}, std::int64_t{kW}, std::int64_t{kY}})
      .set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, {pointer(x), pointer(w), pointer(y)})
      .set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, workspace)
      .finalize();
  check_cudnn(functions_, functions_.execute(handle, plan_.front().get(), pack.get()),
              "cudnnBackendExecute");
}

}  // namespace switchyard::kernels
