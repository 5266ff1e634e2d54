// Measures how fast oneDNN computes the convolutions of ResNet-18 and nothing else. The sum over
// all of them is a bound that no program built on the library beats: a training step needs each
// convolution and its two gradients once (the first layer's input gradient excepted), a
// Hessian-vector product on a kept graph twice, from scratch three times.

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>

#include "bench/benchmark.h"
#include "engine/core/check.h"
#include "engine/core/tensor.h"
#include "kernels/cpu/onednn.h"

namespace switchyard::bench {
namespace {

namespace onednn = kernels::onednn;
using kernels::ConvShape;

/// The layers of one shape: ResNet-18 with a 3x3 stem of stride 1 on 32x32 images.
struct Layers {
  int count;
  std::int64_t side, channels, filters, kernel, stride;
};
constexpr std::array kResNet18 = {
    Layers{1, 32, 3, 64, 3, 1},    Layers{4, 32, 64, 64, 3, 1},   Layers{1, 32, 64, 128, 3, 2},
    Layers{1, 32, 64, 128, 1, 2},  Layers{3, 16, 128, 128, 3, 1}, Layers{1, 16, 128, 256, 3, 2},
    Layers{1, 16, 128, 256, 1, 2}, Layers{3, 8, 256, 256, 3, 1},  Layers{1, 8, 256, 512, 3, 2},
    Layers{1, 8, 256, 512, 1, 2},  Layers{3, 4, 512, 512, 3, 1},
};

/// A tensor of zeros in a layout of the library's; zeros take as long to multiply as other numbers.
struct Buffer {
  explicit Buffer(const dnnl::memory::desc& desc)
      : storage(Tensor::zeros({static_cast<std::int64_t>(desc.get_size())}, DType::kUInt8)),
        memory(onednn::view(desc, storage.data<std::uint8_t>())) {}
  Tensor storage;
  dnnl::memory memory;
};

using Arguments = std::map<int, dnnl::memory::desc>;

double seconds_of(const dnnl::primitive& primitive, const Arguments& arguments,
                  const dnnl::memory::desc& scratchpad, const TimingOptions& timing) {
  std::vector<Buffer> buffers;
  std::unordered_map<int, dnnl::memory> bound;
  for (const auto& [argument, desc] : arguments) {
    buffers.emplace_back(desc);
    bound.emplace(argument, buffers.back().memory);
  }
  return measure([&] { onednn::run(primitive, scratchpad, bound); }, timing).median();
}

/// Median seconds of a convolution and of its two gradients.
struct Faces {
  double forward = 0.0, input_grad = 0.0, weight_grad = 0.0;
};

Faces time_faces(const ConvShape& shape, const onednn::ConvLayouts& layouts,
                 const TimingOptions& timing) {
  const auto y =
      onednn::forward(shape, dnnl::prop_kind::forward_training, dnnl::algorithm::convolution_direct,
                      layouts, {}, onednn::plain_attributes());
  const auto gx = onednn::input_grad(shape, dnnl::algorithm::convolution_direct, layouts);
  const auto gw = onednn::weight_grad(shape, dnnl::algorithm::convolution_direct, layouts);
  return {seconds_of(dnnl::convolution_forward(y),
                     {{DNNL_ARG_SRC, y.src_desc()},
                      {DNNL_ARG_WEIGHTS, y.weights_desc()},
                      {DNNL_ARG_DST, y.dst_desc()}},
                     y.scratchpad_desc(), timing),
          seconds_of(dnnl::convolution_backward_data(gx),
                     {{DNNL_ARG_DIFF_DST, gx.diff_dst_desc()},
                      {DNNL_ARG_WEIGHTS, gx.weights_desc()},
                      {DNNL_ARG_DIFF_SRC, gx.diff_src_desc()}},
                     gx.scratchpad_desc(), timing),
          seconds_of(dnnl::convolution_backward_weights(gw),
                     {{DNNL_ARG_SRC, gw.src_desc()},
                      {DNNL_ARG_DIFF_DST, gw.diff_dst_desc()},
                      {DNNL_ARG_DIFF_WEIGHTS, gw.diff_weights_desc()}},
                     gw.scratchpad_desc(), timing)};
}

/// The faster of activations in NHWC and in a layout of the library's choice, face by face. Weights
/// are in the library's layout both times, and no time goes into changing layouts.
Faces best_faces(const ConvShape& shape, const TimingOptions& timing) {
  constexpr auto kAny = dnnl::memory::format_tag::any;
  onednn::ConvLayouts nhwc(shape);
  nhwc.w = onednn::with_layout(nhwc.w, kAny);
  onednn::ConvLayouts free = nhwc;
  free.x = onednn::with_layout(nhwc.x, kAny);
  free.y = onednn::with_layout(nhwc.y, kAny);
  const Faces a = time_faces(shape, nhwc, timing);
  const Faces b = time_faces(shape, free, timing);
  return {std::min(a.forward, b.forward), std::min(a.input_grad, b.input_grad),
          std::min(a.weight_grad, b.weight_grad)};
}

}  // namespace

nlohmann::json convolutions(const BenchOptions& options) {
  check<UsageError>(options.model.backbone.name == "resnet18",
                    "convolutions: only resnet18 is listed");
  Faces total;
  double first_input_grad = 0.0;
  double multiply_adds = 0.0;
  for (const Layers& l : kResNet18) {
    const ConvShape shape{.batch = options.batch,
                          .height = l.side,
                          .width = l.side,
                          .channels = l.channels,
                          .filters = l.filters,
                          .kernel_height = l.kernel,
                          .kernel_width = l.kernel,
                          .stride = l.stride,
                          .padding = l.kernel / 2};
    const Faces faces = best_faces(shape, options.timing);
    total.forward += l.count * faces.forward;
    total.input_grad += l.count * faces.input_grad;
    total.weight_grad += l.count * faces.weight_grad;
    if (first_input_grad == 0.0) first_input_grad = faces.input_grad;
    multiply_adds += l.count * static_cast<double>(shape.y_size() * shape.patch_size());
  }
  const double all = total.forward + total.input_grad + total.weight_grad;
  return nlohmann::json::array({{{"name", "convolutions"},
                                 {"batch", options.batch},
                                 {"dtype", "float32"},
                                 {"multiply_adds", multiply_adds},
                                 {"forward_seconds", total.forward},
                                 {"input_grad_seconds", total.input_grad},
                                 {"weight_grad_seconds", total.weight_grad},
                                 {"train_step_bound_seconds", all - first_input_grad},
                                 {"hvp_kept_graph_bound_seconds", 2.0 * all},
                                 {"hvp_from_scratch_bound_seconds", 3.0 * all}}});
}

}  // namespace switchyard::bench
