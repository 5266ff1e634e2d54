#pragma once

#include "kernels/api/kernel.h"
#include "kernels/api/registry.h"
#include "kernels/common/type_list.h"

// Every file that holds rungs includes this header. It specialises kRungs for its kernels and ends
// with
//
//   template struct Provides<Cpu, SoftmaxForward<float>, SoftmaxForward<double>>;
//
// which makes their ladders known to the linker and to `switchyard kernels`. A TypeList of kernels
// stands for all of them. Where it also runs a kernel whose rungs another file holds, it says so:
//
//   extern template Ladder<Cpu, SumMiddle<float>> ladder();

namespace switchyard::kernels {

/// The rungs of `Op` on `Exec`, an std::array of Rung<Exec, Op>.
template <class Exec, class Op>
inline constexpr std::array<Rung<Exec, Op>, 0> kRungs = {};

template <class Exec, class Op>
Ladder<Exec, Op> ladder() {
  static_assert(
      !kRungs<Exec, Op>.empty(),
      "no rungs here: specialise kRungs before Provides, or declare the ladder of another "
      "file `extern template`");
  return kRungs<Exec, Op>;
}

namespace internal {

/// Registers the names of a kernel's rungs, and emits its ladder: the address that is handed out
/// keeps the function in the object file, inlined or not.
template <class Exec, class Op>
struct Provided {
  static void add() {
    keep_function(reinterpret_cast<void (*)()>(&ladder<Exec, Op>));
    for (const Rung<Exec, Op>& rung : kRungs<Exec, Op>) {
      register_rung(kDeviceName<Exec>, Op::kName, rung.name);
    }
  }
};
template <class Exec, class... Ops>
struct Provided<Exec, TypeList<Ops...>> {
  static void add() { (Provided<Exec, Ops>::add(), ...); }
};

}  // namespace internal

/// Explicitly instantiated, it emits the ladders of `Ops` on `Exec` and registers their names.
template <class Exec, class... Ops>
struct Provides {
  static const bool kRegistered;
};

template <class Exec, class... Ops>
const bool Provides<Exec, Ops...>::kRegistered = (internal::Provided<Exec, Ops>::add(), ..., true);

}  // namespace switchyard::kernels
