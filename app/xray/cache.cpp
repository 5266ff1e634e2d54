#include "app/xray/cache.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace switchyard {
namespace {

using kernels::xray::CacheCurve;

/// Calls body(bytes) for the sizes from `first` on, the last of which holds all.
template <class Body>
void for_sizes(const CacheCurve& curve, std::uint64_t first, const Body& body) {
  std::uint64_t bytes = first;
  for (; bytes < curve.footprint(); bytes *= 2) body(bytes);
  body(bytes);
}

}  // namespace

std::string cache_text(const CacheCurve& curve, const std::string& schedule) {
  constexpr std::uint64_t kFirst = 32 << 10;
  std::string text = fmt::format(
      "\n  DRAM, blocks in the order {}: {} sectors requested, {} bytes touched\n"
      "  {:>12} {:>14} {:>14}\n",
      schedule, curve.requested(), curve.footprint(), "L2 KiB", "bytes read", "written");
  for_sizes(curve, kFirst, [&](std::uint64_t bytes) {
    text += fmt::format("  {:>12} {:>14} {:>14}\n", bytes >> 10, curve.read_bytes(bytes),
                        curve.written_bytes(bytes));
  });
  return text;
}

nlohmann::json cache_json(const CacheCurve& curve, const std::string& schedule) {
  nlohmann::json points = nlohmann::json::array();
  for_sizes(curve, CacheCurve::kSectorBytes, [&](std::uint64_t bytes) {
    points.push_back({{"cache_bytes", bytes},
                      {"read_bytes", curve.read_bytes(bytes)},
                      {"written_bytes", curve.written_bytes(bytes)}});
  });
  return {{"schedule", schedule},
          {"sector_bytes", CacheCurve::kSectorBytes},
          {"footprint", curve.footprint()},
          {"requested_sectors", curve.requested()},
          {"curve", std::move(points)}};
}

}  // namespace switchyard
