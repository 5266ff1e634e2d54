#include "kernels/cpu/onednn.h"

#include <string_view>

#include "kernels/cpu/scratch.h"

namespace switchyard::kernels::onednn {
namespace {

using dnnl::algorithm;
using dnnl::memory;
using dnnl::prop_kind;

memory::dims strides(const ConvShape& shape) { return {shape.stride, shape.stride}; }
memory::dims padding(const ConvShape& shape) { return {shape.padding, shape.padding}; }

/// The library's first implementation, or the next one that is not `skipped` (by the start of its
/// name) if there is one.
template <class Description>
Description without(Description description, std::string_view skipped) {
  Description candidate = description;
  do {
    if (!std::string_view(candidate.impl_info_str()).starts_with(skipped)) return candidate;
  } while (candidate.next_impl());
  return description;
}

#if DNNL_VERSION_MAJOR < 3
/// oneDNN 2.6 prefers its batched-GEMM kernel, which blocks along one output row: rows of four
/// pixels fill its register tile only if few filters leave room for 64 of them at a time. On such
/// images the older kernel is up to twice as fast (docs/design/layout.md).
bool too_narrow_for_batched_gemm(const ConvShape& s) {
  return s.kernel_width > 1 && (s.out_width() < 4 || (s.out_width() == 4 && s.filters > 128));
}
#endif

}  // namespace

const dnnl::engine& engine() {
  static const dnnl::engine host(dnnl::engine::kind::cpu, 0);
  return host;
}

dnnl::stream& stream() {
  thread_local dnnl::stream mine(engine());
  return mine;
}

memory view(const memory::desc& desc, const void* data) {
  return {desc, engine(), const_cast<void*>(data)};
}

void run(const dnnl::primitive& primitive, const memory::desc& scratchpad,
         std::unordered_map<int, memory> arguments) {
  if (scratchpad.get_size() > 0) {
    arguments.emplace(DNNL_ARG_SCRATCHPAD,
                      view(scratchpad, scratch(Scratch::kLibrary, scratchpad.get_size())));
  }
  primitive.execute(stream(), arguments);
  stream().wait();
}

dnnl::reorder make_reorder(const memory::desc& from, const memory::desc& to) {
  return dnnl::reorder(dnnl::reorder::primitive_desc(engine(), from, engine(), to));
}

ConvLayouts::ConvLayouts(const ConvShape& s)
    : x({s.batch, s.channels, s.height, s.width}, memory::data_type::f32, memory::format_tag::nhwc),
      w({s.filters, s.channels, s.kernel_height, s.kernel_width}, memory::data_type::f32,
        memory::format_tag::ohwi),
      y({s.batch, s.filters, s.out_height(), s.out_width()}, memory::data_type::f32,
        memory::format_tag::nhwc) {}

memory::desc with_layout(const memory::desc& desc, memory::format_tag layout) {
#if DNNL_VERSION_MAJOR >= 3
  return {desc.get_dims(), desc.get_data_type(), layout};
#else
  return {desc.dims(), desc.data_type(), layout};
#endif
}

bool has_winograd() {
  static const bool has = [] {
    const ConvShape usual = {1, 8, 8, 64, 64, 3, 3, 1, 1};
    ConvLayouts layouts(usual);
    layouts.x = with_layout(layouts.x, memory::format_tag::nChw16c);
    layouts.y = with_layout(layouts.y, memory::format_tag::nChw16c);
    layouts.w = with_layout(layouts.w, memory::format_tag::any);
    return static_cast<bool>(forward(usual, prop_kind::forward_inference,
                                     algorithm::convolution_winograd, layouts, {},
                                     plain_attributes(), true));
  }();
  return has;
}

dnnl::primitive_attr plain_attributes() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

void append_relu(dnnl::post_ops& operations) {
#if DNNL_VERSION_MAJOR >= 3
  operations.append_eltwise(algorithm::eltwise_relu, 0.0F, 0.0F);
#else
  operations.append_eltwise(1.0F, algorithm::eltwise_relu, 0.0F, 0.0F);
#endif
}

Product product(const memory::desc& a, const memory::desc& b, const memory::desc& c,
                bool accumulate) {
  dnnl::primitive_attr attributes = plain_attributes();
  if (accumulate) {
    dnnl::post_ops operations;
    operations.append_sum(1.0F);
    attributes.set_post_ops(operations);
  }
#if DNNL_VERSION_MAJOR >= 3
  return Product(engine(), a, b, c, attributes);
#else
  return Product(dnnl::matmul::desc(a, b, c), attributes, engine());
#endif
}

Forward forward(const ConvShape& shape, prop_kind kind, algorithm algorithm,
                const ConvLayouts& layouts, const memory::desc& bias,
                const dnnl::primitive_attr& attributes, bool allow_empty) {
#if DNNL_VERSION_MAJOR >= 3
  return Forward(engine(), kind, algorithm, layouts.x, layouts.w, bias, layouts.y, strides(shape),
                 padding(shape), padding(shape), attributes, allow_empty);
#else
  const dnnl::convolution_forward::desc description(kind, algorithm, layouts.x, layouts.w, bias,
                                                    layouts.y, strides(shape), padding(shape),
                                                    padding(shape));
  const Forward first(description, attributes, engine(), allow_empty);
  return first && too_narrow_for_batched_gemm(shape) ? without(first, "brgconv") : first;
#endif
}

InputGrad input_grad(const ConvShape& shape, algorithm algorithm, const ConvLayouts& layouts,
                     bool allow_empty) {
  const Forward hint = forward(shape, prop_kind::forward_training, algorithm, layouts, {},
                               plain_attributes(), allow_empty);
  if (!hint) return {};
#if DNNL_VERSION_MAJOR >= 3
  return InputGrad(engine(), algorithm, layouts.x, layouts.w, layouts.y, strides(shape),
                   padding(shape), padding(shape), hint, plain_attributes(), allow_empty);
#else
  const dnnl::convolution_backward_data::desc description(
      algorithm, layouts.x, layouts.w, layouts.y, strides(shape), padding(shape), padding(shape));
  const InputGrad first(description, plain_attributes(), engine(), hint, allow_empty);
  // Image channels fill a fifth of the direct kernel's vectors; the GEMM kernel has no such loss.
  return first && shape.channels < 16 ? without(first, "jit") : first;
#endif
}

WeightGrad weight_grad(const ConvShape& shape, algorithm algorithm, const ConvLayouts& layouts,
                       bool allow_empty) {
  const Forward hint = forward(shape, prop_kind::forward_training, algorithm, layouts, {},
                               plain_attributes(), allow_empty);
  if (!hint) return {};
#if DNNL_VERSION_MAJOR >= 3
  return WeightGrad(engine(), algorithm, layouts.x, layouts.w, layouts.y, strides(shape),
                    padding(shape), padding(shape), hint, plain_attributes(), allow_empty);
#else
  const dnnl::convolution_backward_weights::desc description(
      algorithm, layouts.x, layouts.w, layouts.y, strides(shape), padding(shape), padding(shape));
  return WeightGrad(description, plain_attributes(), engine(), hint, allow_empty);
#endif
}

}  // namespace switchyard::kernels::onednn
