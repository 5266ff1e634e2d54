#pragma once

#include "kernels/api/executor.h"
#include "kernels/api/variants.h"
#include "kernels/workbench/entry_point.h"
#ifdef SWITCHYARD_SIMT
#include "kernels/simt/executor.h"
#endif
#ifdef SWITCHYARD_CUDA
#include "kernels/cuda/stream.h"
#endif

// Turns a case, which is a struct of static functions, into an EntryPoint:
//
//   struct MatmulCase {
//     static constexpr const char* kName, *kComputes;
//     static std::vector<SizeParameter> parameters();
//     static std::vector<std::vector<std::int64_t>> odd_sizes();
//     // Adds operands and results, in the order of call's arguments, and fills in the results.
//     template <class T> static void problem(const Sizes&, Problem&);
//     template <class Exec, class T> static auto entry_point();  // pointer to the function
//     template <class Exec, class T> static auto ladder();
//     template <class T, class Exec, class F>
//     static void call(F* run, Exec&, const Sizes&, Arguments&);
//     // Optional: whether kernels/cpu has it for T; true where this is missing.
//     template <class T> static constexpr bool kOnCpu;
//     // Optional: another largest relative error than the one of the dtype.
//     template <class T> static constexpr double kTolerance;
//     // Optional: where no sizes suit every variant, several of which each suits some.
//     static std::vector<std::vector<std::int64_t>> standard_sizes();
//   };
//   describe<MatmulCase, float, double>()

namespace switchyard::kernels::workbench {

template <class Case, class T>
constexpr bool on_cpu() {
  if constexpr (requires { Case::template kOnCpu<T>; }) {
    return Case::template kOnCpu<T>;
  } else {
    return true;
  }
}

template <class Case, class T>
constexpr double tolerance_of() {
  if constexpr (requires { Case::template kTolerance<T>; }) {
    return Case::template kTolerance<T>;
  } else {
    return tolerance(element_type<T>());
  }
}

template <class Case>
std::vector<std::vector<std::int64_t>> standard_sizes_of() {
  if constexpr (requires { Case::standard_sizes(); }) {
    return Case::standard_sizes();
  } else {
    return {Sizes(Case::parameters()).values()};
  }
}

template <class Case, class T, class Exec, class Function>
Implementation implementation(std::string device, std::string variant, std::string_view needs,
                              double own_tolerance, Function* function) {
  return {.device = std::move(device),
          .variant = std::move(variant),
          .needs = std::string(needs),
          .tolerance = own_tolerance > 0 ? own_tolerance : tolerance_of<Case, T>(),
          .run = [function](Device& device_base, const Sizes& sizes, Arguments& arguments) {
            Exec& executor = dynamic_cast<DeviceOf<Exec>&>(device_base).executor();
            Case::template call<T>(function, executor, sizes, arguments);
          }};
}

/// Every rung of the case's ladder on `Exec`, and the entry point.
template <class Case, class T, class Exec>
void add_ladder(TypedEntryPoint& typed, const char* device) {
  for (const auto& variant : Case::template ladder<Exec, T>()) {
    typed.implementations.push_back(implementation<Case, T, Exec>(
        device, std::string(variant.name), variant.needs, variant.tolerance, variant.run));
  }
  typed.implementations.push_back(implementation<Case, T, Exec>(
      device, kEntryPoint, "", 0.0, Case::template entry_point<Exec, T>()));
}

template <class Case, class T>
TypedEntryPoint describe_for() {
  TypedEntryPoint typed = {.type = element_type<T>(),
                           .problem =
                               [](const Sizes& sizes, std::uint64_t seed) {
                                 Problem problem(seed);
                                 Case::template problem<T>(sizes, problem);
                                 return problem;
                               },
                           .implementations = {}};
  if constexpr (on_cpu<Case, T>()) {
    typed.implementations.push_back(implementation<Case, T, Cpu>(
        "cpu", kEntryPoint, "", 0.0, Case::template entry_point<Cpu, T>()));
  }
#ifdef SWITCHYARD_SIMT
  add_ladder<Case, T, Simt>(typed, "simt");
#endif
#ifdef SWITCHYARD_CUDA
  add_ladder<Case, T, Cuda>(typed, "cuda");
#endif
  return typed;
}

template <class Case, class... Types>
EntryPoint describe() {
  return {.name = Case::kName,
          .computes = Case::kComputes,
          .parameters = Case::parameters(),
          .standard_sizes = standard_sizes_of<Case>(),
          .odd_sizes = Case::odd_sizes(),
          .types = {describe_for<Case, Types>()...}};
}

}  // namespace switchyard::kernels::workbench
