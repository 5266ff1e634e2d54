#include "kernels/xray/arrays.h"

#include <algorithm>
#include <unordered_map>

namespace switchyard::kernels::xray {
namespace {

/// Through the kernel, until nothing new turns up: loops within loops need a few.
constexpr int kMostRounds = 32;
constexpr ArraySet kOthers = ArraySet{1} << 63;

/// Whether an instruction's result may be an address that was formed from those it reads.
bool passes_addresses(const Instruction& in) {
  switch (in.kind) {
    case Kind::kInteger:
    case Kind::kMove:
    case Kind::kConvert:
    case Kind::kCompare:
    case Kind::kCollective:
      return true;
    default:
      return false;
  }
}

bool reaches_shared(const Instruction& in) {
  return (in.space == Space::kShared || in.space == Space::kGeneric) &&
         in.data_flow != DataFlow::kCopy && !passes_addresses(in);
}

}  // namespace

void find_arrays(Program& program, const std::vector<ArraySet>& named) {
  const bool are_known =
      std::none_of(named.begin(), named.end(), [](ArraySet set) { return (set & kOthers) != 0; });
  if (!are_known || program.shared_variables.empty()) return;
  std::unordered_map<Slot, ArraySet> of_register;
  const auto set_of = [&](std::size_t i) {
    const Instruction& in = program.code[i];
    ArraySet set = named[i];
    for (std::uint32_t k = 0; k < in.reads; ++k) {
      const auto found = of_register.find(program.uses[in.uses + k]);
      if (found != of_register.end()) set |= found->second;
    }
    return set;
  };
  bool changed = true;
  for (int round = 0; changed; ++round) {
    if (round == kMostRounds) return;
    changed = false;
    for (std::size_t i = 0; i < named.size(); ++i) {
      const Instruction& in = program.code[i];
      if (!passes_addresses(in)) continue;
      const ArraySet set = set_of(i);
      if (set == 0) continue;
      for (std::uint32_t k = 0; k < in.writes; ++k) {
        ArraySet& known = of_register[program.uses[in.uses + in.reads + k]];
        changed |= (known | set) != known;
        known |= set;
      }
    }
  }
  for (std::size_t i = 0; i < named.size(); ++i) {
    Instruction& in = program.code[i];
    if (!reaches_shared(in)) continue;
    const auto found = of_register.find(in.slot[1]);
    const ArraySet of_address = found == of_register.end() ? 0 : found->second;
    const ArraySet set = in.slot[1] == kNoSlot ? named[i] : of_address;
    if (set == 0) continue;
    const auto known = std::find(program.array_sets.begin(), program.array_sets.end(), set);
    in.arrays = static_cast<std::uint32_t>(known - program.array_sets.begin());
    if (known == program.array_sets.end()) program.array_sets.push_back(set);
  }
}

}  // namespace switchyard::kernels::xray
