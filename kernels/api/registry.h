#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

// The registry knows the names of the kernels and rungs that this program holds, and which rungs
// its user asked for.

namespace switchyard::kernels {

/// A kernel on a device with its rungs, from the naive to the best, over all element types.
struct RegisteredKernel {
  std::string_view device;
  std::string_view kernel;
  std::vector<std::string_view> rungs;
};

/// Every kernel of the program, sorted by device and kernel.
std::vector<RegisteredKernel> registered_kernels();

/// Called before main() by Provides. The names must live as long as the program.
void register_rung(std::string_view device, std::string_view kernel, std::string_view rung);

/// Makes run() take this rung of the kernel on the device wherever it takes the arguments; other
/// calls go by the ladder's own order and are counted. Errors: Error naming what there is for a
/// kernel or rung that the device lacks.
void choose_rung(std::string_view device, std::string_view kernel, std::string_view rung);

/// A choice and what came of it.
struct ChosenRung {
  std::string device, kernel, rung;
  std::uint64_t taken = 0;    ///< calls that ran it
  std::uint64_t refused = 0;  ///< calls whose arguments it does not take
};
std::vector<ChosenRung> chosen_rungs();

namespace internal {

/// Does nothing, which the compiler does not know.
void keep_function(void (*function)());

/// Returns whether any rung is chosen; run() asks nothing else when none is.
bool any_rung_chosen();
/// The chosen rung of a kernel, or an empty name.
std::string_view chosen_rung(std::string_view device, std::string_view kernel);
void count_choice(std::string_view device, std::string_view kernel, bool taken);

}  // namespace internal
}  // namespace switchyard::kernels
