#pragma once

#include <oneapi/dnnl/dnnl.hpp>
#include <string>

#include "kernels/api/conv2d.h"
#include "kernels/api/error.h"

// This is the one place that knows oneDNN's API, 2.x and 3.x. Primitives use a scratchpad that the
// caller provides, so that one primitive may run in several threads.

namespace switchyard::kernels::onednn {

/// Calls f. What the library throws, no memory among it, becomes an Error that names the operation.
template <class F>
decltype(auto) with_errors_of(const char* operation, F&& f) {
  try {
    return f();
  } catch (const dnnl::error& error) {
    throw Error(std::string("[") + operation + "] oneDNN: " + error.what());
  }
}

/// The host engine of the process.
const dnnl::engine& engine();
/// The calling thread's stream.
dnnl::stream& stream();

/// Makes a view of a buffer. oneDNN takes inputs and outputs as void*.
dnnl::memory view(const dnnl::memory::desc& desc, const void* data);

/// Runs `primitive` and waits; adds the scratchpad argument from the calling thread's memory.
void run(const dnnl::primitive& primitive, const dnnl::memory::desc& scratchpad,
         std::unordered_map<int, dnnl::memory> arguments);

/// Copies between layouts; the primitive is made per pair of layouts.
dnnl::reorder make_reorder(const dnnl::memory::desc& from, const dnnl::memory::desc& to);

/// Float32 descriptions of a convolution's tensors as the engine stores them: NHWC and OHWI.
struct ConvLayouts {
  explicit ConvLayouts(const ConvShape& shape);
  dnnl::memory::desc x, w, y;
};
/// Describes the same sizes in another layout; `any` leaves the choice to the library.
dnnl::memory::desc with_layout(const dnnl::memory::desc& desc, dnnl::memory::format_tag layout);

/// Attributes: user scratchpad, nothing fused.
dnnl::primitive_attr plain_attributes();
void append_relu(dnnl::post_ops& operations);

/// Returns whether machine and library have Winograd's algorithm: oneDNN 2.x with AVX-512.
bool has_winograd();

using Product = dnnl::matmul::primitive_desc;
/// c = a · b, plus c if `accumulate`.
Product product(const dnnl::memory::desc& a, const dnnl::memory::desc& b,
                const dnnl::memory::desc& c, bool accumulate);

using Forward = dnnl::convolution_forward::primitive_desc;
using InputGrad = dnnl::convolution_backward_data::primitive_desc;
using WeightGrad = dnnl::convolution_backward_weights::primitive_desc;

/// `bias` may be an empty description. The result of these three is empty (false) where the library
/// has no such implementation and `allow_empty` is set, else dnnl::error.
Forward forward(const ConvShape& shape, dnnl::prop_kind kind, dnnl::algorithm algorithm,
                const ConvLayouts& layouts, const dnnl::memory::desc& bias,
                const dnnl::primitive_attr& attributes, bool allow_empty = false);
InputGrad input_grad(const ConvShape& shape, dnnl::algorithm algorithm, const ConvLayouts& layouts,
                     bool allow_empty = false);
WeightGrad weight_grad(const ConvShape& shape, dnnl::algorithm algorithm,
                       const ConvLayouts& layouts, bool allow_empty = false);

}  // namespace switchyard::kernels::onednn
