#include "kernels/api/random.h"

#include <algorithm>

#include "kernels/api/executor.h"
#include "kernels/common/philox.h"
#include "kernels/cpu/parallel.h"

namespace switchyard::kernels {
namespace {

constexpr std::int64_t kBlocksPerTask = 4096;

/// Calls write(index, words, filled) for each block of up to four consecutive elements from
/// `index`.
template <class Write>
void for_each_block(std::int64_t count, RandomStretch stretch, const Write& write) {
  const std::int64_t blocks = (count + kRandomPerBlock - 1) / kRandomPerBlock;
  parallel_for(blocks, kBlocksPerTask, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t block = begin; block < end; ++block) {
      const RandomBlock words =
          philox(stretch.seed, stretch.offset + static_cast<std::uint64_t>(block));
      const std::int64_t first = block * kRandomPerBlock;
      write(first, words, std::min<std::int64_t>(kRandomPerBlock, count - first));
    }
  });
}

template <class T>
void drop(std::int64_t count, const T* x, T* y, double p, RandomStretch stretch) {
  const std::uint32_t threshold = drop_threshold(p);
  const T scale = static_cast<T>(1.0 / (1.0 - p));
  for_each_block(count, stretch, [=](std::int64_t first, RandomBlock words, std::int64_t filled) {
    for (std::int64_t i = 0; i < filled; ++i) {
      y[first + i] = words.word[i] < threshold ? T{0} : x[first + i] * scale;
    }
  });
}

template <class T>
void normal(std::int64_t count, T* y, RandomStretch stretch) {
  for_each_block(count, stretch, [=](std::int64_t first, RandomBlock words, std::int64_t filled) {
    const NormalPair low = normal_from(words.word[0], words.word[1]);
    const NormalPair high = normal_from(words.word[2], words.word[3]);
    const double values[] = {low.first, low.second, high.first, high.second};
    for (std::int64_t i = 0; i < filled; ++i) y[first + i] = static_cast<T>(values[i]);
  });
}

template <class T>
void uniform(std::int64_t count, T* y, RandomStretch stretch) {
  for_each_block(count, stretch, [=](std::int64_t first, RandomBlock words, std::int64_t filled) {
    for (std::int64_t i = 0; i < filled; ++i) {
      y[first + i] = static_cast<T>(uniform_from(words.word[i]));
    }
  });
}

template <class T>
void sign(std::int64_t count, T* y, RandomStretch stretch) {
  for_each_block(count, stretch, [=](std::int64_t first, RandomBlock words, std::int64_t filled) {
    for (std::int64_t i = 0; i < filled; ++i) {
      y[first + i] = (words.word[i] >> 31) != 0 ? T{1} : T{-1};
    }
  });
}

}  // namespace

// ---- entry points

#define SWITCHYARD_RANDOM_ENTRY_POINTS(T)                                                     \
  template <>                                                                                 \
  void dropout(Cpu&, std::int64_t count, const T* x, T* y, double p, RandomStretch stretch) { \
    drop(count, x, y, p, stretch);                                                            \
  }                                                                                           \
  template <>                                                                                 \
  void random_normal(Cpu&, std::int64_t count, T* y, RandomStretch stretch) {                 \
    normal(count, y, stretch);                                                                \
  }                                                                                           \
  template <>                                                                                 \
  void random_uniform(Cpu&, std::int64_t count, T* y, RandomStretch stretch) {                \
    uniform(count, y, stretch);                                                               \
  }                                                                                           \
  template <>                                                                                 \
  void random_sign(Cpu&, std::int64_t count, T* y, RandomStretch stretch) {                   \
    sign(count, y, stretch);                                                                  \
  }
SWITCHYARD_RANDOM_ENTRY_POINTS(float)
SWITCHYARD_RANDOM_ENTRY_POINTS(double)

}  // namespace switchyard::kernels
