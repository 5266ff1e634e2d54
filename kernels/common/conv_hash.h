#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "kernels/api/conv2d.h"
#include "kernels/common/hash.h"

namespace switchyard::kernels {

/// Mixes the face, the sizes and what else distinguishes convolutions, for tables of prepared ones.
inline std::size_t hash_of(ConvFace face, const ConvShape& s,
                           std::initializer_list<std::int64_t> more) {
  Hash hash;
  for (std::int64_t part : {static_cast<std::int64_t>(face), s.batch, s.height, s.width, s.channels,
                            s.filters, s.kernel_height, s.kernel_width, s.stride, s.padding}) {
    hash.mix(part);
  }
  for (std::int64_t part : more) hash.mix(part);
  return hash.value();
}

}  // namespace switchyard::kernels
