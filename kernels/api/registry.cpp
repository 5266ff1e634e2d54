#include "kernels/api/registry.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <map>
#include <mutex>
#include <utility>

#include "kernels/api/error.h"
#include "kernels/api/rung_scope.h"

namespace switchyard::kernels {
namespace {

using Key = std::pair<std::string, std::string>;  // device, kernel

struct Registry {
  std::mutex mutex;
  std::map<Key, std::vector<std::string_view>> rungs;
  std::map<Key, ChosenRung> choices;
  std::atomic<bool> any_choice = false;
};

/// Made by whichever ladder registers first, before main(); never destroyed, so that kernels may
/// run while the process ends.
Registry& registry() {
  static Registry* const made = new Registry;
  return *made;
}

Key key(std::string_view device, std::string_view kernel) {
  return {std::string(device), std::string(kernel)};
}

}  // namespace

std::vector<RegisteredKernel> registered_kernels() {
  const std::lock_guard lock(registry().mutex);
  std::vector<RegisteredKernel> kernels;
  for (const auto& [names, rungs] : registry().rungs) {
    kernels.push_back({names.first, names.second, rungs});
  }
  return kernels;
}

void register_rung(std::string_view device, std::string_view kernel, std::string_view rung) {
  const std::lock_guard lock(registry().mutex);
  std::vector<std::string_view>& rungs = registry().rungs[key(device, kernel)];
  if (std::find(rungs.begin(), rungs.end(), rung) == rungs.end()) rungs.push_back(rung);
}

void choose_rung(std::string_view device, std::string_view kernel, std::string_view rung) {
  const std::lock_guard lock(registry().mutex);
  const auto found = registry().rungs.find(key(device, kernel));
  if (found == registry().rungs.end()) {
    std::vector<std::string_view> names;
    for (const auto& [names_of, rungs] : registry().rungs) {
      if (names_of.first == device) names.emplace_back(names_of.second);
    }
    throw Error(fmt::format("device {} has no kernel '{}', there are: {}", device, kernel,
                            fmt::join(names, ", ")));
  }
  const std::vector<std::string_view>& rungs = found->second;
  if (std::find(rungs.begin(), rungs.end(), rung) == rungs.end()) {
    throw Error(fmt::format("kernel {} has no rung '{}' on device {}, there are: {}", kernel, rung,
                            device, fmt::join(rungs, ", ")));
  }
  registry().choices[found->first] = {
      .device = found->first.first, .kernel = found->first.second, .rung = std::string(rung)};
  registry().any_choice = true;
}

std::vector<ChosenRung> chosen_rungs() {
  const std::lock_guard lock(registry().mutex);
  std::vector<ChosenRung> choices;
  for (const auto& [names, choice] : registry().choices) choices.push_back(choice);
  return choices;
}

RungScope::RungScope(std::string_view device, const std::vector<RungOfKernel>& rungs)
    : device_(device) {
  try {
    for (const auto& [kernel, rung] : rungs) {
      std::optional<ChosenRung> choice;
      {
        const std::lock_guard lock(registry().mutex);
        const auto found = registry().choices.find(key(device, kernel));
        if (found != registry().choices.end()) choice = found->second;
      }
      choose_rung(device, kernel, rung);
      earlier_.push_back({kernel, std::move(choice)});
    }
  } catch (...) {
    restore();
    throw;
  }
}

RungScope::~RungScope() { restore(); }

void RungScope::restore() {
  const std::lock_guard lock(registry().mutex);
  for (auto each = earlier_.rbegin(); each != earlier_.rend(); ++each) {
    if (each->choice) {
      registry().choices[key(device_, each->kernel)] = *each->choice;
    } else {
      registry().choices.erase(key(device_, each->kernel));
    }
  }
  registry().any_choice = !registry().choices.empty();
}

std::uint64_t RungScope::taken() const {
  const std::lock_guard lock(registry().mutex);
  std::uint64_t calls = 0;
  for (const Earlier& each : earlier_) {
    const auto found = registry().choices.find(key(device_, each.kernel));
    if (found != registry().choices.end()) calls += found->second.taken;
  }
  return calls;
}

namespace internal {

void keep_function(void (* /*function*/)()) {}

bool any_rung_chosen() { return registry().any_choice.load(std::memory_order_relaxed); }

std::string_view chosen_rung(std::string_view device, std::string_view kernel) {
  const std::lock_guard lock(registry().mutex);
  const auto found = registry().choices.find(key(device, kernel));
  return found == registry().choices.end() ? std::string_view() : found->second.rung;
}

void count_choice(std::string_view device, std::string_view kernel, bool taken) {
  const std::lock_guard lock(registry().mutex);
  const auto found = registry().choices.find(key(device, kernel));
  if (found == registry().choices.end()) return;
  ++(taken ? found->second.taken : found->second.refused);
}

}  // namespace internal
}  // namespace switchyard::kernels
