#pragma once

#include <utility>

#include "kernels/api/run.h"
#include "kernels/workbench/entry_point.h"
#ifdef SWITCHYARD_SIMT
#include "kernels/simt/run_grid.h"
#endif
#ifdef SWITCHYARD_CUDA
#include "kernels/cuda/stream.h"
#endif

// Turns a case, which is a struct of static functions, into an EntryPoint:
//
//   struct MatmulCase {
//     static constexpr const char* kComputes;
//     static std::vector<SizeParameter> parameters();
//     static std::vector<std::vector<std::int64_t>> odd_sizes();
//     // Adds operands and results, in the order of their numbers below, and fills in the results.
//     template <class T> static void problem(const Sizes&, Problem&);
//     // The kernel with its arguments: array number i of the problem is p.at<T>(i).
//     template <class T> static Matmul<T> arguments(const Sizes&, Arguments& p);
//     // Optional: whether kernels/cpu has it for T; true where this is missing.
//     template <class T> static constexpr bool kOnCpu;
//     // Optional: whether kernels/cuda has it for T; true where this is missing.
//     template <class T> static constexpr bool kOnGpu;
//     // Optional: another largest relative error than the one of the dtype.
//     template <class T> static constexpr double kTolerance;
//     // Optional: where no sizes suit every rung, several of which each suits some.
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
constexpr bool on_gpu() {
  if constexpr (requires { Case::template kOnGpu<T>; }) {
    return Case::template kOnGpu<T>;
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

template <class Case, class T>
using KernelOf =
    decltype(Case::template arguments<T>(std::declval<const Sizes&>(), std::declval<Arguments&>()));

/// Calls run(executor, arguments) with what the case passes to its kernel.
template <class Case, class T, class Exec, class Run>
std::function<void(Device&, const Sizes&, Arguments&)> runner(Run run) {
  return [run](Device& device, const Sizes& sizes, Arguments& pointers) {
    run(dynamic_cast<DeviceOf<Exec>&>(device).executor(),
        Case::template arguments<T>(sizes, pointers));
  };
}

/// Adds every rung of the case's ladder on `Exec`, and the door's own choice.
template <class Case, class T, class Exec>
void add_ladder(TypedEntryPoint& typed) {
  using Op = KernelOf<Case, T>;
  const std::string device(kDeviceName<Exec>);
  for (const Rung<Exec, Op>& rung : ladder<Exec, Op>()) {
    typed.implementations.push_back(
        {.device = device,
         .variant = std::string(rung.name),
         .needs = std::string(rung.takes.text),
         .tolerance = rung.tolerance > 0 ? rung.tolerance : tolerance_of<Case, T>(),
         .run = runner<Case, T, Exec>(
             [&rung](Exec& exec, const Op& arguments) { run_rung(exec, rung, arguments); })});
  }
  typed.implementations.push_back(
      {.device = device,
       .variant = kEntryPoint,
       .needs = "",
       .tolerance = tolerance_of<Case, T>(),
       .run = runner<Case, T, Exec>(
           [](Exec& exec, const Op& arguments) { kernels::run(exec, arguments); })});
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
                           .work =
                               [](const Sizes& sizes, const Problem& problem) {
                                 Arguments on_host(problem.host_pointers(), problem.value());
                                 return Case::template arguments<T>(sizes, on_host).work();
                               },
                           .implementations = {}};
  if constexpr (on_cpu<Case, T>()) add_ladder<Case, T, Cpu>(typed);
  if constexpr (on_gpu<Case, T>()) {
#ifdef SWITCHYARD_SIMT
    add_ladder<Case, T, Simt>(typed);
#endif
#ifdef SWITCHYARD_CUDA
    add_ladder<Case, T, Cuda>(typed);
#endif
  }
  return typed;
}

template <class Case, class First, class... Types>
EntryPoint describe() {
  return {.name = std::string(KernelOf<Case, First>::kName),
          .computes = Case::kComputes,
          .parameters = Case::parameters(),
          .standard_sizes = standard_sizes_of<Case>(),
          .odd_sizes = Case::odd_sizes(),
          .types = {describe_for<Case, First>(), describe_for<Case, Types>()...}};
}

}  // namespace switchyard::kernels::workbench
