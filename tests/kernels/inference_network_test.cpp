#include "kernels/api/inference_network.h"

#include <gtest/gtest.h>

#include <cmath>
#include <deque>
#include <stdexcept>
#include <vector>

#include "kernels/api/conv2d.h"
#include "kernels/api/run.h"
#include "kernels/cpu/parallel.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

using kernels::ConvShape;
using kernels::Cpu;
using kernels::InferenceNetwork;
using Id = InferenceNetwork::Id;

struct Image {
  std::int64_t height, width, channels;
};

/// A network beside its plain evaluation in float64, layer by layer.
class Pair {
 public:
  Pair(std::int64_t batch, Image image, InferenceNetwork::Options options, Cpu cpu = {})
      : batch_(batch), network_(cpu, batch, image.height, image.width, image.channels, options) {
    values_.push_back({image, {}});
  }

  Id add(Id x, std::int64_t filters, std::int64_t kernel, std::int64_t stride, bool relu,
         std::optional<Id> residual = {}) {
    const Image in = values_[index(x)].size;
    const ConvShape s = {batch_, in.height, in.width, in.channels,     filters,
                         kernel, kernel,    stride,   (kernel - 1) / 2};
    const auto seed = values_.size();
    const double scale = 1 / std::sqrt(static_cast<double>(s.patch_size()));  // unit outputs
    Tensor w = random_tensor({s.w_size()}, 10 * seed, DType::kFloat32);
    for (float& v : std::span(w.data<float>(), static_cast<std::size_t>(w.numel()))) {
      v *= static_cast<float>(scale);
    }
    const Tensor bias = random_tensor({filters}, 10 * seed + 1, DType::kFloat32);
    steps_.push_back({s, x, w.to(DType::kFloat64), bias.to_doubles(), relu, residual});
    values_.push_back({{s.out_height(), s.out_width(), filters}, {}});
    return network_.add_convolution(x, {.filters = filters,
                                        .kernel_height = kernel,
                                        .kernel_width = kernel,
                                        .stride = stride,
                                        .padding = s.padding,
                                        .weights = w.data<float>(),
                                        .bias = bias.data<float>(),
                                        .relu = relu,
                                        .residual = residual});
  }

  void finish(Id x) {
    pooled_ = x;
    network_.finish_with_global_average_pool(x);
  }

  /// The network's features of seeded images.
  std::vector<double> features(std::uint64_t seed) {
    GuardedBuffer<float> result(batch_ * values_[index(pooled_)].size.channels);
    network_.run(images(seed).data<float>(), result.data());
    return result.values();
  }

  std::vector<double> reference(std::uint64_t seed) {
    values_[0].data = images(seed).to_doubles();
    for (std::size_t i = 0; i < steps_.size(); ++i) evaluate(steps_[i], values_[i + 1].data);
    return pooled(values_[index(pooled_)]);
  }

  InferenceNetwork& network() { return network_; }

 private:
  struct Step {
    ConvShape shape;
    Id x;
    Tensor w;
    std::vector<double> bias;
    bool relu;
    std::optional<Id> residual;
  };
  struct Value {
    Image size;
    std::vector<double> data;
  };

  static std::size_t index(Id id) { return static_cast<std::size_t>(id); }

  Tensor images(std::uint64_t seed) const {
    const Image& s = values_[0].size;
    return random_tensor({batch_, s.height, s.width, s.channels}, seed, DType::kFloat32);
  }

  void evaluate(const Step& step, std::vector<double>& y) {
    Cpu cpu;
    y.resize(static_cast<std::size_t>(step.shape.y_size()));
    run(cpu, kernels::Conv2d<double>{step.shape, values_[index(step.x)].data.data(),
                                     step.w.data<double>(), y.data()});
    for (std::size_t i = 0; i < y.size(); ++i) {
      y[i] += step.bias[i % step.bias.size()];
      if (step.residual) y[i] += values_[index(*step.residual)].data[i];
      if (step.relu) y[i] = std::max(y[i], 0.0);
    }
  }

  std::vector<double> pooled(const Value& value) const {
    const auto channels = static_cast<std::size_t>(value.size.channels);
    const auto pixels = static_cast<std::size_t>(value.size.height * value.size.width);
    std::vector<double> mean(static_cast<std::size_t>(batch_) * channels);
    for (std::size_t i = 0; i < value.data.size(); ++i) {
      mean[i / (pixels * channels) * channels + i % channels] +=
          value.data[i] / static_cast<double>(pixels);
    }
    return mean;
  }

  std::int64_t batch_;
  InferenceNetwork network_;
  std::deque<Value> values_;  // the image, then the result of each step
  std::vector<Step> steps_;
  Id pooled_ = 0;
};

/// Residual blocks as in ResNet: identity, strided with projection, identity.
void add_residual_blocks(Pair& pair, std::int64_t filters) {
  Id x = pair.add(pair.network().image(), filters, 3, 1, true);
  x = pair.add(pair.add(x, filters, 3, 1, true), filters, 3, 1, true, x);
  const Id down = pair.add(x, 2 * filters, 3, 2, true);
  const Id projection = pair.add(x, 2 * filters, 1, 2, false);
  x = pair.add(down, 2 * filters, 3, 1, true, projection);
  x = pair.add(pair.add(x, 2 * filters, 3, 1, true), 2 * filters, 3, 1, true, x);
  pair.finish(x);
}

void expect_matches_reference(Pair& pair) {
  for (std::uint64_t seed : {1, 2}) {  // twice: memory is reused
    EXPECT_LE(relative_error(pair.features(seed), pair.reference(seed)),
              tolerance(DType::kFloat32));
  }
}

TEST(InferenceNetwork, ResidualBlocksMatchFloat64) {
  struct Case {
    std::int64_t batch;
    Image image;
    std::int64_t filters;
  };
  for (const Case& c : {Case{1, {32, 32, 3}, 16}, Case{3, {9, 13, 1}, 33}, Case{7, {8, 8, 5}, 64},
                        Case{33, {17, 16, 20}, 32}}) {
    for (bool winograd : {true, false}) {
      SCOPED_TRACE(fmt::format("{} images of {} channels, winograd {}", c.batch, c.image.channels,
                               winograd));
      Pair pair(c.batch, c.image, {.winograd = winograd});
      add_residual_blocks(pair, c.filters);
      expect_matches_reference(pair);
    }
  }
}

TEST(InferenceNetwork, ResidualsThatAreStillNeededAreKept) {
  for (bool winograd : {true, false}) {
    Pair pair(2, {8, 8, 16}, {.winograd = winograd});
    const Id image = pair.network().image();
    const Id a = pair.add(image, 16, 3, 1, true, image);  // its own input, the caller's memory
    const Id b = pair.add(a, 16, 1, 1, false, a);         // its own input
    const Id c = pair.add(b, 16, 3, 1, true, a);          // read again below
    const Id unused = pair.add(c, 16, 3, 1, true);
    const Id d = pair.add(c, 16, 3, 1, true, a);
    EXPECT_NE(unused, d);
    pair.finish(d);
    expect_matches_reference(pair);
  }
}

TEST(InferenceNetwork, PoolsTheImageItself) {
  for (std::int64_t channels : {1, 3, 20}) {
    Pair pair(2, {5, 3, channels}, {});
    pair.finish(pair.network().image());
    expect_matches_reference(pair);
  }
}

TEST(InferenceNetwork, MissingBiasIsZero) {
  InferenceNetwork network({}, 1, 1, 1, 1);
  const float weight = 3;
  network.finish_with_global_average_pool(
      network.add_convolution(network.image(), {.filters = 1, .weights = &weight}));
  const float image = 2;
  float feature = 0;
  network.run(&image, &feature);
  EXPECT_EQ(feature, 6);
}

TEST(InferenceNetwork, WinogradCanBeSwitchedOff) {
  Pair direct(16, {16, 16, 3}, {.winograd = false});
  add_residual_blocks(direct, 32);
  EXPECT_EQ(direct.network().winograd_layers(), 0);
}

TEST(InferenceNetwork, ReproducibleModeGivesTheSameBitsOnAnyNumberOfThreads) {
  const int before = kernels::thread_count();
  std::vector<std::vector<double>> results;
  for (int threads : {1, 3}) {
    kernels::set_thread_count(threads);
    Pair pair(9, {12, 12, 3}, {}, {.reproducible = true});
    add_residual_blocks(pair, 48);
    results.push_back(pair.features(1));
  }
  kernels::set_thread_count(before);
  EXPECT_EQ(results[0], results[1]);
}

TEST(InferenceNetwork, MemoryOfDeadActivationsIsReused) {
  const auto bytes_of = [](int depth) {
    Pair pair(4, {32, 32, 16}, {.winograd = false});
    Id x = pair.network().image();
    for (int i = 0; i < depth; ++i) x = pair.add(x, 16, 3, 1, true);
    pair.finish(x);
    return pair.network().bytes();
  };
  const std::size_t weights = 16 * 16 * 9 * sizeof(float);
  EXPECT_LE(bytes_of(12), bytes_of(2) + 10 * 2 * weights);
}

template <class Call>
void expect_refused(Call&& call, const std::string& text) {
  try {
    call();
    ADD_FAILURE() << "accepted, expected: " << text;
  } catch (const std::invalid_argument& error) {
    EXPECT_EQ(error.what(), "[inference_network] " + text);
  }
}

TEST(InferenceNetwork, ErrorsNameTheSizes) {
  const std::vector<float> w(1000);
  expect_refused([] { InferenceNetwork({}, 0, 8, 8, 3); },
                 "needs images of at least one pixel, got [0, 8, 8, 3]");
  InferenceNetwork network({}, 2, 8, 8, 3);
  const auto add = [&](Id x, InferenceNetwork::Convolution c) {
    c.weights = w.data();
    return network.add_convolution(x, c);
  };
  expect_refused([&] { add(1, {.filters = 4}); }, "layer 1 does not exist; there are 1");
  expect_refused([&] { add(0, {.filters = 0}); },
                 "0 filters of 1x1 at stride 1 with padding 0 are no convolution");
  expect_refused([&] { add(0, {.filters = 1, .kernel_height = 11, .padding = 1}); },
                 "a 11x1 kernel does not fit into a 8x8 image with padding 1");
  expect_refused([&] { add(0, {.filters = 4, .residual = 0}); },
                 "the residual is 8x8x3, the convolution's result 8x8x4");
  float unused = 0;
  expect_refused([&] { network.run(&unused, &unused); },
                 "must be finished with a pooling layer before it runs");
  expect_refused([&] { network.finish_with_global_average_pool(-1); },
                 "layer -1 does not exist; there are 1");
  network.finish_with_global_average_pool(0);
  expect_refused([&] { add(0, {.filters = 4}); }, "is finished and takes no more layers");
  expect_refused([&] { network.finish_with_global_average_pool(0); }, "is finished already");
}

}  // namespace
}  // namespace switchyard::test
