#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "kernels/api/conv2d.h"

namespace switchyard::kernels {

/// Mixes the face, the sizes and what else distinguishes convolutions, for tables of prepared ones.
inline std::size_t hash_of(ConvFace face, const ConvShape& s,
                           std::initializer_list<std::int64_t> more) {
  std::size_t hash = 0;
  const auto mix = [&](std::int64_t part) {
    hash = (hash ^ static_cast<std::size_t>(part)) * 0x9E3779B97F4A7C15U;
    hash ^= hash >> 29;
  };
  for (std::int64_t part : {static_cast<std::int64_t>(face), s.batch, s.height, s.width, s.channels,
                            s.filters, s.kernel_height, s.kernel_width, s.stride, s.padding}) {
    mix(part);
  }
  for (std::int64_t part : more) mix(part);
  return hash;
}

}  // namespace switchyard::kernels
