#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "kernels/xray/cache.h"

namespace switchyard {

/// What DRAM moves for caches from 32 KiB on, each twice the one before, up to one that holds all.
std::string cache_text(const kernels::xray::CacheCurve& curve, const std::string& schedule);
/// The same from one sector on: {schedule, sector_bytes, footprint, requested_sectors, curve:
/// [{cache_bytes, read_bytes, written_bytes}]}.
nlohmann::json cache_json(const kernels::xray::CacheCurve& curve, const std::string& schedule);

}  // namespace switchyard
