#include "kernels/api/random.h"

#include <algorithm>
#include <array>

#include "kernels/api/provide.h"
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

// ---- block loops: every block's four words are used, blocks over threads

template <class T>
void dropout_block_loops(Cpu&, const Dropout<T>& a) {
  const std::uint32_t threshold = drop_threshold(a.p);
  const T scale = static_cast<T>(1.0 / (1.0 - a.p));
  const T* const x = a.x;
  T* const y = a.y;
  for_each_block(a.count, a.stretch, [=](auto first, RandomBlock words, std::int64_t filled) {
    for (std::int64_t i = 0; i < filled; ++i) {
      y[first + i] = words.word[i] < threshold ? T{0} : x[first + i] * scale;
    }
  });
}

template <class T>
void random_normal_block_loops(Cpu&, const RandomNormal<T>& a) {
  for_each_block(a.count, a.stretch, [y = a.y](auto first, RandomBlock words, auto filled) {
    const NormalPair low = normal_from(words.word[0], words.word[1]);
    const NormalPair high = normal_from(words.word[2], words.word[3]);
    const double values[] = {low.first, low.second, high.first, high.second};
    for (std::int64_t i = 0; i < filled; ++i) y[first + i] = static_cast<T>(values[i]);
  });
}

template <class T>
void random_uniform_block_loops(Cpu&, const RandomUniform<T>& a) {
  for_each_block(a.count, a.stretch, [y = a.y](auto first, RandomBlock words, auto filled) {
    for (std::int64_t i = 0; i < filled; ++i) {
      y[first + i] = static_cast<T>(uniform_from(words.word[i]));
    }
  });
}

template <class T>
void random_sign_block_loops(Cpu&, const RandomSign<T>& a) {
  for_each_block(a.count, a.stretch, [y = a.y](auto first, RandomBlock words, auto filled) {
    for (std::int64_t i = 0; i < filled; ++i) {
      y[first + i] = (words.word[i] >> 31) != 0 ? T{1} : T{-1};
    }
  });
}

// ---- plain loops: the definitions, on one thread, an element at a time

template <class T>
void dropout_plain_loops(Cpu&, const Dropout<T>& a) {
  for (std::int64_t i = 0; i < a.count; ++i) {
    const bool dropped = random_word(a.stretch.seed, a.stretch.offset, i) < drop_threshold(a.p);
    a.y[i] = dropped ? T{0} : a.x[i] * static_cast<T>(1.0 / (1.0 - a.p));
  }
}

template <class T>
void random_normal_plain_loops(Cpu&, const RandomNormal<T>& a) {
  for (std::int64_t i = 0; i < a.count; ++i) {
    a.y[i] = static_cast<T>(random_normal_at(a.stretch.seed, a.stretch.offset, i));
  }
}

template <class T>
void random_uniform_plain_loops(Cpu&, const RandomUniform<T>& a) {
  for (std::int64_t i = 0; i < a.count; ++i) {
    a.y[i] = static_cast<T>(uniform_from(random_word(a.stretch.seed, a.stretch.offset, i)));
  }
}

template <class T>
void random_sign_plain_loops(Cpu&, const RandomSign<T>& a) {
  for (std::int64_t i = 0; i < a.count; ++i) {
    const bool highest_bit = random_word(a.stretch.seed, a.stretch.offset, i) >> 31 != 0;
    a.y[i] = highest_bit ? T{1} : T{-1};
  }
}

}  // namespace

// ---- the ladders

template <class T>
constexpr auto kRungs<Cpu, Dropout<T>> =
    std::to_array<Rung<Cpu, Dropout<T>>>({{"dropout_plain_loops", dropout_plain_loops<T>},
                                          {"dropout_block_loops", dropout_block_loops<T>}});

template <class T>
constexpr auto kRungs<Cpu, RandomNormal<T>> = std::to_array<Rung<Cpu, RandomNormal<T>>>(
    {{"random_normal_plain_loops", random_normal_plain_loops<T>},
     {"random_normal_block_loops", random_normal_block_loops<T>}});

template <class T>
constexpr auto kRungs<Cpu, RandomUniform<T>> = std::to_array<Rung<Cpu, RandomUniform<T>>>(
    {{"random_uniform_plain_loops", random_uniform_plain_loops<T>},
     {"random_uniform_block_loops", random_uniform_block_loops<T>}});

template <class T>
constexpr auto kRungs<Cpu, RandomSign<T>> = std::to_array<Rung<Cpu, RandomSign<T>>>(
    {{"random_sign_plain_loops", random_sign_plain_loops<T>},
     {"random_sign_block_loops", random_sign_block_loops<T>}});

template struct Provides<Cpu, Dropout<float>, Dropout<double>, RandomNormal<float>,
                         RandomNormal<double>, RandomUniform<float>, RandomUniform<double>,
                         RandomSign<float>, RandomSign<double>>;

}  // namespace switchyard::kernels
