#pragma once

#include <cstddef>

#include "kernels/api/device.h"
#include "kernels/api/matmul.h"

namespace switchyard::kernels {

/// For a library that adds a product to what it finds in c: brings the addend there, unless it lies
/// there, and returns whether there is one.
template <class Exec, class T>
bool addend_in_place(Exec& exec, const Matmul<T>& p) {
  if (p.addend == nullptr) return false;
  const auto count = static_cast<std::size_t>(p.shape.m * p.shape.n);
  if (p.addend != p.c) copy_within_device(exec, p.c, p.addend, count * sizeof(*p.c));
  return true;
}

}  // namespace switchyard::kernels
