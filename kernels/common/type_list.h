#pragma once

namespace switchyard::kernels {

/// Types in a row, to be passed on as one.
template <class... Types>
struct TypeList {};

namespace internal {

template <class... Lists>
struct Joined {
  using Type = TypeList<>;
};
template <class... Types>
struct Joined<TypeList<Types...>> {
  using Type = TypeList<Types...>;
};
template <class... First, class... Second, class... Rest>
struct Joined<TypeList<First...>, TypeList<Second...>, Rest...>
    : Joined<TypeList<First..., Second...>, Rest...> {};

template <template <class, class> class Template, class First, class Second>
struct Combined;
template <template <class, class> class Template, class... First, class... Second>
struct Combined<Template, TypeList<First...>, TypeList<Second...>> {
  template <class Each>
  using Row = TypeList<Template<Each, Second>...>;
  using Type = typename Joined<Row<First>...>::Type;
};

}  // namespace internal

/// The types of all lists, in order.
template <class... Lists>
using Join = typename internal::Joined<Lists...>::Type;

/// Template<A, B> for every A of the first list and every B of the second.
template <template <class, class> class Template, class First, class Second>
using EachOf = typename internal::Combined<Template, First, Second>::Type;

}  // namespace switchyard::kernels
