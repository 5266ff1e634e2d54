#include "kernels/xray/xray.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <utility>

#include "kernels/api/error.h"
#include "kernels/xray/checker.h"
#include "kernels/xray/decode.h"
#include "kernels/xray/grid_run.h"
#include "kernels/xray/image.h"

namespace switchyard::kernels::xray {
namespace {

Tally tally_of(const Instruction& in, const AccessCounts& counts) {
  Tally tally;
  tally.access = counts;
  tally.warps[static_cast<std::size_t>(in.kind)] = counts.warps;
  const std::uint64_t flops = counts.lanes * in.flops;
  (in.kind == Kind::kTensorCore ? tally.tensor_flops : tally.flops) = flops;
  if (in.kind == Kind::kAtomic) tally.atomic_lanes = counts.lanes;
  return tally;
}

/// Results that a kernel was to write and that hold nothing.
void add_missing_results(std::string_view kernel, const Memory& memory,
                         std::vector<Finding>& findings) {
  for (const Allocation& one : memory.allocations()) {
    if (one.element_bytes == 0 || !one.written) continue;
    std::uint64_t missing = 0, first = 0;
    for (std::uint64_t at = 0; at + one.element_bytes <= one.bytes; at += one.element_bytes) {
      bool is_whole = true;
      for (std::uint64_t i = 0; i < one.element_bytes; ++i) {
        is_whole = is_whole && one.written->is_written(at + i);
      }
      if (is_whole) continue;
      if (missing++ == 0) first = at;
    }
    if (missing == 0) continue;
    Finding finding;
    finding.detector = Detector::kResult;
    finding.kernel = kernel;
    finding.array = one.name;
    finding.byte = first;
    finding.index = first / one.element_bytes;
    finding.times = missing;
    finding.what =
        fmt::format("never writes {} of the {} elements of {}, the first is {}[{}]", missing,
                    one.bytes / one.element_bytes, one.name, one.name, finding.index);
    findings.push_back(std::move(finding));
  }
}

}  // namespace

Tally& Tally::operator+=(const Tally& other) {
  access += other.access;
  for (std::size_t i = 0; i < kKinds; ++i) warps[i] += other.warps[i];
  flops += other.flops;
  tensor_flops += other.tensor_flops;
  atomic_lanes += other.atomic_lanes;
  return *this;
}

Code::Code(std::shared_ptr<const Module> module, Memory& memory)
    : module_(std::move(module)),
      memory_(memory),
      image_(std::make_unique<Image>(*module_, memory)) {}

Code::~Code() = default;

const Program& Code::program(std::string_view kernel) {
  const std::lock_guard lock(mutex_);
  const auto known = programs_.find(kernel);
  if (known != programs_.end()) return *known->second;
  auto made = std::make_unique<Program>(decode(module_, kernel, *image_));
  return *programs_.emplace(kernel, std::move(made)).first->second;
}

std::uint64_t Code::parameter_bytes(std::string_view kernel) const {
  const Function* function = module_->function(kernel);
  if (function == nullptr || !function->is_kernel) {
    throw Error(fmt::format("{}: there is no kernel {}", module_->file(), kernel));
  }
  return function->parameter_bytes;
}

LaunchReport Code::launch(std::string_view kernel, const LaunchShape& shape,
                          std::vector<std::byte> parameters, const LaunchOptions& options) {
  const Program& code = program(kernel);
  if (parameters.size() != code.kernel->parameter_bytes) {
    throw Error(fmt::format("{}: the parameters have {} bytes, got {}", kernel,
                            code.kernel->parameter_bytes, parameters.size()));
  }
  try {
    check_launch(std::string(kernel).c_str(), shape, options.limits);
  } catch (const std::invalid_argument& error) {
    throw Error(error.what());
  }
  const std::uint64_t threads = shape.block.count(), most = code.kernel->most_threads;
  if (most != 0 && (code.kernel->needs_most_threads ? threads != most : threads > most)) {
    throw Error(fmt::format("{}: it was compiled for blocks of {}{} threads, got {}", kernel,
                            code.kernel->needs_most_threads ? "" : "at most ", most, threads));
  }
  for (const std::uint64_t block : options.blocks) {
    if (block >= shape.grid.count()) {
      throw Error(fmt::format("{}: there is no block {}, the grid has {}", kernel, block,
                              shape.grid.count()));
    }
  }
  std::optional<CheckedLaunch> checked;
  if (options.check) {
    checked.emplace(options.most_findings);
  } else {
    memory_.trust_contents();
  }
  std::optional<ReuseDistances> cache;
  if (options.cache) cache.emplace();
  const Launch launch{code,
                      shape,
                      std::move(parameters),
                      memory_,
                      checked ? &*checked : nullptr,
                      cache ? &*cache : nullptr,
                      options.find_wraps};
  const bool in_order = options.check || options.cache || !options.blocks.empty() ||
                        options.schedule.order != Order::kTogether;
  const std::vector<AccessCounts> counts =
      in_order ? run_in_order(launch, options.instruction_limit, options.schedule, options.blocks)
               : run_in_parallel(launch, options.instruction_limit);

  LaunchReport report;
  if (cache) report.cache = cache->curve();
  if (checked) {
    report.findings = checked->findings.take();
    if (report.findings.size() < options.most_findings) {
      add_missing_results(kernel, memory_, report.findings);
    }
  }
  report.kernel = kernel;
  report.shape = shape;
  report.threads = shape.grid.count() * shape.block.count();
  report.warps = shape.grid.count() * ((shape.block.count() + kLanes - 1) / kLanes);
  std::map<std::pair<std::uint32_t, std::uint32_t>, Tally> lines;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const Instruction& in = code.code[i];
    if (in.flow == Flow::kJoin || counts[i].warps == 0) continue;
    const Tally tally = tally_of(in, counts[i]);
    const Source& source = module_->shown(in.source);
    const bool is_known = !module_->source_file(source.file).empty();
    lines[is_known ? std::pair{source.file, source.line} : std::pair{0U, in.line}] += tally;
    report.total += tally;
  }
  for (const auto& [place, tally] : lines) {
    report.lines.push_back({place.first == 0 ? module_->file() : module_->source_file(place.first),
                            place.second, tally});
  }
  return report;
}

}  // namespace switchyard::kernels::xray
