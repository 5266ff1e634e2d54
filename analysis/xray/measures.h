#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace switchyard::xray {

/// What a run of the document cost, in one number each, by name: what budgets limit and what two
/// documents are compared by.
using Measures = std::vector<std::pair<std::string, double>>;

/// launches, waits, warp_instructions, sectors, ideal_sectors, turns, ideal_turns, collisions,
/// local_bytes, flops, tensor_flops, moved_bytes and compulsory_bytes (0 where nobody declares
/// them).
Measures measures_of(const nlohmann::json& run);
/// Their names, in order.
const std::vector<std::string>& measure_names();
/// One of them. Errors: std::out_of_range for another name.
double measure(const Measures& measures, const std::string& name);

/// A run's launches by the name of their kernel, added up: for each kernel a run with the fields
/// that measures_of() reads, without passes.
std::map<std::string, nlohmann::json> by_kernel(const nlohmann::json& run);

/// Bytes that DRAM reads and writes in the run's launches, each of which finds an L2 of
/// `cache_bytes` empty; 0 where no caches were measured.
double dram_bytes(const nlohmann::json& run, double cache_bytes);

/// moved_bytes / compulsory_bytes; 0 where either is 0.
double moved_over_compulsory(const Measures& measures);

}  // namespace switchyard::xray
