#include "kernels/api/inference_network.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "kernels/cpu/activation.h"
#include "kernels/cpu/aligned_buffer.h"
#include "kernels/cpu/buffer_plan.h"
#include "kernels/cpu/onednn.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/winograd.h"

namespace switchyard::kernels {
namespace {

using dnnl::memory;
using Id = InferenceNetwork::Id;
using Arguments = std::unordered_map<int, memory>;

template <class... Args>
void require(bool condition, fmt::format_string<Args...> format, Args&&... args) {
  if (condition) return;
  throw std::invalid_argument("[inference_network] " +
                              fmt::format(format, std::forward<Args>(args)...));
}

struct Layer {
  Id x;
  std::optional<Id> residual;
  dnnl::primitive primitive;
  memory::desc scratchpad;
  memory weights, bias;
  Arguments arguments;  // complete once finished
  bool relu = false;
  std::optional<WinogradForward> winograd;  // ours, instead of the primitive
  std::optional<dnnl::primitive> copy;      // of the residual, where it cannot be added in place
  Arguments copy_arguments;
};

/// Weights OHWI in the layout that a convolution asked for. By way of OIHW, the only one that
/// oneDNN can transform for Winograd's algorithm.
memory packed(const memory::desc& ohwi, const float* weights, const memory::desc& wanted) {
  const memory given = onednn::view(ohwi, weights);
  const memory planes(onednn::with_layout(ohwi, memory::format_tag::oihw), onednn::engine());
  memory result(wanted, onednn::engine());
  const auto copy = [](const memory& from, const memory& to) {
    onednn::run(onednn::make_reorder(from.get_desc(), to.get_desc()), {},
                {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}});
  };
  copy(given, planes);
  copy(planes, result);
  return result;
}

/// F(4x4, 3x3) reads weights four times as large as plain ones. On few pixels that costs more than
/// the multiplications it saves (docs/design/layout.md); F(2x2, 3x3), which the library prefers
/// for the smallest batches, has less to read.
bool library_winograd_pays(const onednn::Forward& winograd, const ConvShape& s) {
  constexpr std::int64_t kPixels = 256;
  const std::string_view name = winograd.impl_info_str();
  return name.find("2x3") != name.npos || s.batch * s.out_height() * s.out_width() >= kPixels;
}

}  // namespace

class InferenceNetwork::Implementation {
 public:
  Implementation(const Cpu& cpu, std::int64_t batch, std::int64_t height, std::int64_t width,
                 std::int64_t channels, Options options)
      : batch_(batch), one_thread_(cpu.reproducible) {
    require(batch >= 1 && height >= 1 && width >= 1 && channels >= 1,
            "needs images of at least one pixel, got [{}, {}, {}, {}]", batch, height, width,
            channels);
    winograd_ = options.winograd && onednn::has_winograd();
    own_winograd_ = options.winograd && !onednn::has_winograd();
    images_ = memory(describe({batch, channels, height, width}, Layout::kChannelsLast),
                     onednn::engine(), nullptr);
    // oneDNN reads the few channels of an image as planes; Winograd wants blocks of 16 channels.
    const Layout layout = !winograd_      ? Layout::kChannelsLast
                          : channels <= 3 ? Layout::kPlanes
                                          : Layout::kBlocked;
    add_activation(height, width, channels, layout);
  }

  Id add_convolution(Id x, const Convolution& c) {
    const auto scope = thread_limit();
    const ConvShape shape = checked_shape(x, c);
    onednn::ConvLayouts layouts(shape);
    const memory::desc plain_weights = layouts.w;
    layouts.x = activation(x).desc;
    layouts.w = onednn::with_layout(layouts.w, memory::format_tag::any);
    const Id y = add_activation(shape.out_height(), shape.out_width(), shape.filters,
                                winograd_ ? Layout::kBlocked : Layout::kChannelsLast);
    layouts.y = activation(y).desc;

    if (own_winograd_ && winograd_pays(shape)) {
      add_own_winograd(x, shape, c);
      return y;
    }
    const memory::desc bias({shape.filters}, memory::data_type::f32, memory::format_tag::a);
    const onednn::Forward pd = choose(shape, layouts, bias, c);
    Layer layer;
    layer.x = x;
    layer.residual = c.residual;
    layer.primitive = dnnl::convolution_forward(pd);
    layer.scratchpad = pd.scratchpad_desc();
    layer.weights = packed(plain_weights, c.weights, pd.weights_desc());
    layer.bias = memory(bias, onednn::engine());
    auto* bias_values = static_cast<float*>(layer.bias.get_data_handle());
    c.bias == nullptr ? std::fill_n(bias_values, shape.filters, 0.0F)
                      : std::copy_n(c.bias, shape.filters, bias_values);
    layers_.push_back(std::move(layer));
    return y;
  }

  void finish(Id x) {
    const auto scope = thread_limit();
    require(!finished_, "is finished already");
    require_known(x);
    pooled_ = x;
    find_last_uses();
    plan_buffers();
    for (Layer& layer : layers_) connect(layer);
    finished_ = true;
  }

  void run(const float* images, float* features) {
    const auto scope = thread_limit();
    require(finished_, "must be finished with a pooling layer before it runs");
    images_.set_data_handle(const_cast<float*>(images));
    dnnl::stream& stream = onednn::stream();
    if (image_reorder_) {
      image_reorder_->execute(stream,
                              {{DNNL_ARG_FROM, images_}, {DNNL_ARG_TO, activations_.front().data}});
    }
    for (const Layer& layer : layers_) {
      if (layer.copy) layer.copy->execute(stream, layer.copy_arguments);
      if (layer.winograd) {
        stream.wait();
        run_winograd(layer);
      } else {
        layer.primitive.execute(stream, layer.arguments);
      }
    }
    stream.wait();
    average(activation(pooled_), batch_, features);
  }

  std::size_t bytes() const {
    std::size_t total = scratchpad_.bytes();
    for (const AlignedBuffer& buffer : buffers_) total += buffer.bytes();
    for (const Layer& layer : layers_) {
      total += layer.winograd
                   ? layer.winograd->bytes()
                   : layer.weights.get_desc().get_size() + layer.bias.get_desc().get_size();
    }
    return total;
  }
  int winograd_layers() const { return winograd_layers_; }

 private:
  std::optional<SingleThread> thread_limit() const {
    return one_thread_ ? std::optional<SingleThread>(std::in_place) : std::nullopt;
  }

  Activation& activation(Id id) { return activations_[static_cast<std::size_t>(id)]; }

  void require_known(Id id) const {
    require(id >= 0 && static_cast<std::size_t>(id) < activations_.size(),
            "layer {} does not exist; there are {}", id, activations_.size());
  }

  Id add_activation(std::int64_t height, std::int64_t width, std::int64_t channels, Layout layout) {
    activations_.push_back(
        {height, width, channels, layout, describe({batch_, channels, height, width}, layout)});
    return static_cast<Id>(activations_.size()) - 1;
  }

  ConvShape checked_shape(Id x, const Convolution& c) {
    require(!finished_, "is finished and takes no more layers");
    require_known(x);
    const Activation& in = activation(x);
    require(c.filters >= 1 && c.kernel_height >= 1 && c.kernel_width >= 1 && c.stride >= 1 &&
                c.padding >= 0,
            "{} filters of {}x{} at stride {} with padding {} are no convolution", c.filters,
            c.kernel_height, c.kernel_width, c.stride, c.padding);
    const ConvShape shape = {batch_,          in.height,      in.width, in.channels, c.filters,
                             c.kernel_height, c.kernel_width, c.stride, c.padding};
    require(
        c.kernel_height <= in.height + 2 * c.padding && c.kernel_width <= in.width + 2 * c.padding,
        "a {}x{} kernel does not fit into a {}x{} image with padding {}", c.kernel_height,
        c.kernel_width, in.height, in.width, c.padding);
    if (c.residual) {
      require_known(*c.residual);
      const Activation& r = activation(*c.residual);
      require(
          r.height == shape.out_height() && r.width == shape.out_width() && r.channels == c.filters,
          "the residual is {}x{}x{}, the convolution's result {}x{}x{}", r.height, r.width,
          r.channels, shape.out_height(), shape.out_width(), c.filters);
    }
    return shape;
  }

  void add_own_winograd(Id x, const ConvShape& shape, const Convolution& c) {
    const std::vector<float> none(static_cast<std::size_t>(shape.filters));
    Layer layer;
    layer.x = x;
    layer.residual = c.residual;
    layer.relu = c.relu;
    layer.winograd.emplace(shape, c.weights, c.bias == nullptr ? none.data() : c.bias);
    layers_.push_back(std::move(layer));
    ++winograd_layers_;
  }

  void run_winograd(const Layer& layer) {
    const memory& x = activation(layer.x).data;
    const memory& y = activation(static_cast<Id>(&layer - layers_.data()) + 1).data;
    layer.winograd->run(static_cast<const float*>(x.get_data_handle()),
                        static_cast<float*>(y.get_data_handle()), layer.residual.has_value(),
                        layer.relu);
  }

  onednn::Forward choose(const ConvShape& shape, const onednn::ConvLayouts& layouts,
                         const memory::desc& bias, const Convolution& c) {
    dnnl::post_ops fused;
    if (c.residual) fused.append_sum(1.0F);
    if (c.relu) onednn::append_relu(fused);
    dnnl::primitive_attr attributes = onednn::plain_attributes();
    attributes.set_post_ops(fused);
    const auto make = [&](dnnl::algorithm algorithm, bool allow_empty) {
      return onednn::forward(shape, dnnl::prop_kind::forward_inference, algorithm, layouts, bias,
                             attributes, allow_empty);
    };
    if (winograd_ && shape.kernel_height == 3 && shape.kernel_width == 3 && shape.stride == 1) {
      onednn::Forward pd = make(dnnl::algorithm::convolution_winograd, true);
      if (pd && library_winograd_pays(pd, shape)) {
        ++winograd_layers_;
        return pd;
      }
    }
    return make(dnnl::algorithm::convolution_direct, false);
  }

  void find_last_uses() {
    for (int i = 0; i < static_cast<int>(layers_.size()); ++i) {
      const Layer& layer = layers_[static_cast<std::size_t>(i)];
      activation(layer.x).last_use = i;
      if (layer.residual) activation(*layer.residual).last_use = i;
    }
    activation(pooled_).last_use = static_cast<int>(layers_.size());
  }

  /// A residual that nobody reads later gives its memory to the sum, unless the convolution itself
  /// still reads it or it is not ours.
  bool adds_in_place(const Layer& layer, int index) {
    if (!layer.residual || *layer.residual == layer.x) return false;
    const Activation& r = activation(*layer.residual);
    return r.last_use == index && r.buffer >= 0 && r.desc == activation(index + 1).desc;
  }

  void plan_buffers() {
    BufferPlan plan;
    if (winograd_) activations_.front().buffer = plan.take(activations_.front().desc.get_size());
    for (int i = 0; i < static_cast<int>(layers_.size()); ++i) {
      Layer& layer = layers_[static_cast<std::size_t>(i)];
      Activation& y = activation(i + 1);
      if (adds_in_place(layer, i)) {
        y.buffer = activation(*layer.residual).buffer;
      } else {
        y.buffer = plan.take(y.desc.get_size());
        if (layer.residual) {
          layer.copy = onednn::make_reorder(activation(*layer.residual).desc, y.desc);
        }
      }
      for (Id id = 0; id <= i + 1; ++id) {
        const Activation& a = activation(id);
        const bool dead = a.last_use == i || (id == i + 1 && a.last_use < 0);
        if (dead && a.buffer >= 0 && (id == i + 1 || a.buffer != y.buffer)) {
          plan.give_back(a.buffer);
        }
      }
    }
    for (std::size_t size : plan.sizes()) buffers_.emplace_back(size);
    std::size_t scratch = 0;
    for (const Layer& layer : layers_) {
      if (!layer.winograd) scratch = std::max(scratch, layer.scratchpad.get_size());
    }
    scratchpad_ = AlignedBuffer(scratch);
    for (Activation& a : activations_) {
      a.data = a.buffer < 0
                   ? images_
                   : onednn::view(a.desc, buffers_[static_cast<std::size_t>(a.buffer)].data());
    }
    if (winograd_) {
      image_reorder_ = onednn::make_reorder(images_.get_desc(), activations_.front().desc);
    }
  }

  void connect(Layer& layer) {
    const memory& y = activation(static_cast<Id>(&layer - layers_.data()) + 1).data;
    if (layer.copy) {
      layer.copy_arguments = {{DNNL_ARG_FROM, activation(*layer.residual).data}, {DNNL_ARG_TO, y}};
    }
    if (layer.winograd) return;
    layer.arguments = {{DNNL_ARG_SRC, activation(layer.x).data},
                       {DNNL_ARG_WEIGHTS, layer.weights},
                       {DNNL_ARG_BIAS, layer.bias},
                       {DNNL_ARG_DST, y},
                       {DNNL_ARG_SCRATCHPAD, onednn::view(layer.scratchpad, scratchpad_.data())}};
  }

  std::int64_t batch_;
  bool one_thread_;
  bool winograd_ = false;      // the library's
  bool own_winograd_ = false;  // where the library has none
  bool finished_ = false;
  int winograd_layers_ = 0;
  Id pooled_ = 0;
  std::vector<Activation> activations_;  // the image, then the result of each layer
  std::vector<Layer> layers_;
  std::vector<AlignedBuffer> buffers_;
  AlignedBuffer scratchpad_;
  memory images_;  // the caller's
  std::optional<dnnl::primitive> image_reorder_;
};

InferenceNetwork::InferenceNetwork(const Cpu& cpu, std::int64_t batch, std::int64_t height,
                                   std::int64_t width, std::int64_t channels, Options options)
    : implementation_(
          std::make_unique<Implementation>(cpu, batch, height, width, channels, options)) {}
InferenceNetwork::~InferenceNetwork() = default;
InferenceNetwork::InferenceNetwork(InferenceNetwork&&) noexcept = default;
InferenceNetwork& InferenceNetwork::operator=(InferenceNetwork&&) noexcept = default;

Id InferenceNetwork::add_convolution(Id x, const Convolution& convolution) {
  return onednn::with_errors_of("inference",
                                [&] { return implementation_->add_convolution(x, convolution); });
}
void InferenceNetwork::finish_with_global_average_pool(Id x) {
  onednn::with_errors_of("inference", [&] { implementation_->finish(x); });
}
void InferenceNetwork::run(const float* images, float* features) {
  onednn::with_errors_of("inference", [&] { implementation_->run(images, features); });
}
std::size_t InferenceNetwork::bytes() const { return implementation_->bytes(); }
int InferenceNetwork::winograd_layers() const { return implementation_->winograd_layers(); }

}  // namespace switchyard::kernels
