#pragma once

#include "kernels/common/bfloat16.h"
#include "kernels/common/type_list.h"

namespace switchyard::kernels {

/// The element types that are numbers to compute with. A family of kernels that takes them all
/// lists its kernels with OfEvery, so that a type is added here.
using FloatingTypes = TypeList<float, double, BFloat16>;

namespace internal {

template <template <class> class Template, class Types>
struct Applied;
template <template <class> class Template, class... Types>
struct Applied<Template, TypeList<Types...>> {
  using Type = TypeList<Template<Types>...>;
};

}  // namespace internal

/// Each of the templates for every type of the list.
template <class Types, template <class> class... Templates>
using OfEvery = Join<typename internal::Applied<Templates, Types>::Type...>;

}  // namespace switchyard::kernels
