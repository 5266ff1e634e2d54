#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace switchyard::test {

/// Counts as `switchyard xray --json` writes them, all 0 but for `warp_instructions` and `sectors`
/// in `set`.
inline nlohmann::json counts_of(const std::map<std::string, int>& set) {
  const auto value = [&](const char* name) {
    const auto found = set.find(name);
    return found == set.end() ? 0 : found->second;
  };
  return {{"warp_instructions", value("warp_instructions")},
          {"lane_instructions", 0},
          {"kinds", nlohmann::json::object()},
          {"global",
           {{"requests", 0}, {"bytes", 0}, {"sectors", value("sectors")}, {"ideal_sectors", 0}}},
          {"shared", {{"requests", 0}, {"bytes", 0}, {"turns", 0}, {"ideal_turns", 0}}},
          {"local", {{"requests", 0}, {"bytes", 0}}},
          {"atomics", {{"requests", 0}, {"lanes", 0}, {"collisions", 0}}},
          {"barriers", 0},
          {"flops", 0},
          {"tensor_flops", 0},
          {"moved_bytes", 32 * value("sectors")}};
}

/// A run of one launch of a kernel named "kernel" with these counts and 320 compulsory bytes.
inline nlohmann::json run_of(const std::string& name, const std::map<std::string, int>& set) {
  const nlohmann::json counts = counts_of(set);
  return {{"name", name},
          {"dtype", "float32"},
          {"status", "ran"},
          {"reason", ""},
          {"compulsory", {{"bytes", 320.0}, {"flops", 0.0}}},
          {"launched", 1},
          {"total", counts},
          {"passes", nlohmann::json::array()},
          {"launches", {{{"name", "kernel"}, {"total", counts}}}}};
}

inline nlohmann::json document_of(const std::vector<nlohmann::json>& runs) {
  return {{"xray", 1},
          {"target", {{"kind", "kernels"}, {"name", "family"}}},
          {"checked", false},
          {"gpu", nullptr},
          {"ladder", runs}};
}

}  // namespace switchyard::test
