#include "kernels/api/conv2d.h"

#include <algorithm>

#include "kernels/cpu/conv_primitive.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/scratch.h"

// float32 convolutions by oneDNN: cached primitives, in chunks of images where asked for.

namespace switchyard::kernels {
namespace {

// ---- the same bits for any thread count: a number of chunks that depends on the batch alone

constexpr std::int64_t kChunks = 8;

std::int64_t images_per_chunk(const ConvShape& shape) {
  return (shape.batch + kChunks - 1) / kChunks;
}

/// Calls body(chunk, its shape, first x, first y) for every chunk of images, one thread each.
template <class Body>
void for_each_chunk(const ConvShape& shape, const float* x, const float* y, const Body& body) {
  parallel_chunks(shape.batch, images_per_chunk(shape),
                  [&](std::int64_t chunk, std::int64_t begin, std::int64_t end) {
                    const SingleThread scope;
                    ConvShape part = shape;
                    part.batch = end - begin;
                    body(chunk, part, x + begin * (shape.x_size() / shape.batch),
                         y + begin * (shape.y_size() / shape.batch));
                  });
}

void weight_grad_in_chunks(const ConvShape& shape, const float* x, const float* gy, float* gw) {
  const std::int64_t size = shape.w_size();
  const std::int64_t chunks = (shape.batch + images_per_chunk(shape) - 1) / images_per_chunk(shape);
  auto* partial = scratch<float>(Scratch::kPartialSums, static_cast<std::size_t>(chunks * size));
  for_each_chunk(shape, x, gy,
                 [&](std::int64_t chunk, const ConvShape& part, const float* xs, const float* gys) {
                   run_convolution(ConvFace::kWeightGrad, part, 1, xs, partial + chunk * size, gys);
                 });
  parallel_for(size, 4096, [&](std::int64_t begin, std::int64_t end) {
    std::copy(partial + begin, partial + end, gw + begin);
    for (std::int64_t chunk = 1; chunk < chunks; ++chunk) {
      const float* addend = partial + chunk * size;
      for (std::int64_t i = begin; i < end; ++i) gw[i] += addend[i];
    }
  });
}

bool empty(const ConvShape& shape) {
  return shape.x_size() == 0 || shape.y_size() == 0 || shape.w_size() == 0;
}

}  // namespace

// ---- entry points

template <>
void conv2d(Cpu& cpu, const ConvShape& shape, const float* x, const float* w, float* y) {
  if (empty(shape)) {
    std::fill_n(y, shape.y_size(), 0.0F);
  } else if (cpu.reproducible) {
    for_each_chunk(shape, x, y,
                   [&](std::int64_t, const ConvShape& part, const float* xs, const float* ys) {
                     run_convolution(ConvFace::kForward, part, 1, xs, w, ys);
                   });
  } else {
    run_convolution(ConvFace::kForward, shape, thread_count(), x, w, y);
  }
}

template <>
void conv2d_input_grad(Cpu& cpu, const ConvShape& shape, const float* gy, const float* w,
                       float* gx) {
  if (empty(shape)) {
    std::fill_n(gx, shape.x_size(), 0.0F);
  } else if (cpu.reproducible) {
    for_each_chunk(shape, gx, gy,
                   [&](std::int64_t, const ConvShape& part, const float* gxs, const float* gys) {
                     run_convolution(ConvFace::kInputGrad, part, 1, gxs, w, gys);
                   });
  } else {
    run_convolution(ConvFace::kInputGrad, shape, thread_count(), gx, w, gy);
  }
}

template <>
void conv2d_weight_grad(Cpu& cpu, const ConvShape& shape, const float* x, const float* gy,
                        float* gw) {
  if (empty(shape)) {
    std::fill_n(gw, shape.w_size(), 0.0F);
  } else if (cpu.reproducible) {
    weight_grad_in_chunks(shape, x, gy, gw);
  } else {
    run_convolution(ConvFace::kWeightGrad, shape, thread_count(), x, gw, gy);
  }
}

}  // namespace switchyard::kernels
