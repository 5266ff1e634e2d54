#pragma once

#include <string>

#include "kernels/api/device.h"
#include "kernels/api/error.h"
#include "kernels/api/kernel.h"
#include "kernels/api/profile.h"
#include "kernels/api/registry.h"

// The one door to every kernel: run(executor, arguments). The choice of a rung, the range that a
// profiler shows, and what `--variant` and `--profile` do all happen here.

namespace switchyard::kernels {

namespace internal {

template <class Exec, class Op>
const Rung<Exec, Op>* find_rung(std::string_view name) {
  for (const Rung<Exec, Op>& rung : ladder<Exec, Op>()) {
    if (rung.name == name) return &rung;
  }
  return nullptr;
}

/// The rung that the user chose where it takes the arguments, else the last that takes them and
/// pays.
template <class Exec, class Op>
const Rung<Exec, Op>& choose_rung(const Op& arguments) {
  if (any_rung_chosen()) {
    const std::string_view name = chosen_rung(kDeviceName<Exec>, Op::kName);
    if (!name.empty()) {
      const Rung<Exec, Op>* const named = find_rung<Exec, Op>(name);
      const bool taken = named != nullptr && named->takes(arguments);
      count_choice(kDeviceName<Exec>, Op::kName, taken);
      if (taken) return *named;
    }
  }
  const Ladder<Exec, Op> rungs = ladder<Exec, Op>();
  for (auto rung = rungs.rbegin(); rung != rungs.rend(); ++rung) {
    if (rung->takes(arguments) && rung->pays(arguments)) return *rung;
  }
  throw Refusal("[" + std::string(Op::kName) + "] no rung on device " +
                std::string(kDeviceName<Exec>) + " takes these arguments");
}

}  // namespace internal

/// Computes the kernel with the best rung for the arguments, or with the one that the user chose
/// (registry.h). Errors: Refusal where no rung takes the arguments; those of the executor.
template <class Exec, class Op>
void run(Exec& exec, const Op& arguments) {
  const Rung<Exec, Op>& rung = internal::choose_rung<Exec>(arguments);
  const ProfiledCall<Exec, Op> scope(exec, rung.name, arguments);
  rung.run(exec, arguments);
}

/// Computes the kernel with one rung. Errors: Refusal naming what the rung needs where it does not
/// take the arguments; those of the executor.
template <class Exec, class Op>
void run_rung(Exec& exec, const Rung<Exec, Op>& rung, const Op& arguments) {
  if (!rung.takes(arguments)) {
    throw Refusal("[" + std::string(rung.name) + "] needs " + std::string(rung.takes.text));
  }
  const ProfiledCall<Exec, Op> scope(exec, rung.name, arguments);
  rung.run(exec, arguments);
}

/// Runs the rung of that name. Errors: Error for a rung that the kernel lacks.
template <class Exec, class Op>
void run_rung(Exec& exec, std::string_view name, const Op& arguments) {
  const Rung<Exec, Op>* const rung = internal::find_rung<Exec, Op>(name);
  if (rung == nullptr) {
    throw Error("[" + std::string(Op::kName) + "] has no rung '" + std::string(name) +
                "' on device " + std::string(kDeviceName<Exec>));
  }
  run_rung(exec, *rung, arguments);
}

}  // namespace switchyard::kernels
