#pragma once

#include <tuple>

#include "kernels/api/kernel.h"
#include "kernels/api/registry.h"

// For the files that hold rungs. Such a file specialises kRungs for its kernels and ends with
//
//   template struct Provides<Cpu, SoftmaxForward<float>, SoftmaxForward<double>>;
//
// which makes their ladders known to the linker and to `switchyard kernels`.

namespace switchyard::kernels {

/// The rungs of `Op` on `Exec`, an std::array of Rung<Exec, Op>.
template <class Exec, class Op>
inline constexpr std::array<Rung<Exec, Op>, 0> kRungs = {};

template <class Exec, class Op>
Ladder<Exec, Op> ladder() {
  static_assert(!kRungs<Exec, Op>.empty(), "no rungs: specialise kRungs before Provides");
  return kRungs<Exec, Op>;
}

/// Explicitly instantiated, it emits the ladders of `Ops` on `Exec` and registers their names.
template <class Exec, class... Ops>
struct Provides {
  /// Taking the addresses keeps the functions in the object file, inlined or not.
  static const std::tuple<Ladder<Exec, Ops> (*)()...> kLadders;
  static const bool kRegistered;

  template <class Op>
  static void register_one() {
    for (const Rung<Exec, Op>& rung : kRungs<Exec, Op>) {
      register_rung(kDeviceName<Exec>, Op::kName, rung.name);
    }
  }
};

template <class Exec, class... Ops>
const std::tuple<Ladder<Exec, Ops> (*)()...> Provides<Exec, Ops...>::kLadders = {
    &ladder<Exec, Ops>...};

template <class Exec, class... Ops>
const bool Provides<Exec, Ops...>::kRegistered = (register_one<Ops>(), ..., true);

}  // namespace switchyard::kernels
