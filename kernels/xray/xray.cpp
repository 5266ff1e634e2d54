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

/// Sums the counts by line of the source, or of the PTX file where that names no source.
std::vector<LineTally> tally_lines(const Program& code, const std::vector<AccessCounts>& counts) {
  const Module& module = *code.module;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::map<std::uint32_t, Tally>> lines;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const Instruction& in = code.code[i];
    if (in.flow == Flow::kJoin || counts[i].warps == 0) continue;
    const Source& source = module.shown(in.source);
    const bool is_known = !module.source_file(source.file).empty();
    const auto place = is_known ? std::pair{source.file, source.line} : std::pair{0U, in.line};
    lines[place][in.line] += tally_of(in, counts[i]);
  }
  std::vector<LineTally> all;
  for (const auto& [place, ptx] : lines) {
    LineTally& line = all.emplace_back();
    line.file = place.first == 0 ? module.file() : module.source_file(place.first);
    line.line = place.second;
    for (const auto& [number, tally] : ptx) {
      line.ptx.push_back({number, tally});
      line.tally += tally;
    }
  }
  return all;
}

/// Errors: Error for a block or warp that the launch does not have.
const FilmOptions& checked_film(const FilmOptions& film, std::string_view kernel,
                                const LaunchShape& shape) {
  const std::uint64_t warps = (shape.block.count() + kLanes - 1) / kLanes;
  if (film.block.x >= shape.grid.x || film.block.y >= shape.grid.y ||
      film.block.z >= shape.grid.z || film.warp >= warps) {
    throw Error(fmt::format(
        "{}: no warp {} of block ({}, {}, {}) to film: the grid has {}x{}x{} blocks of {} warps",
        kernel, film.warp, film.block.x, film.block.y, film.block.z, shape.grid.x, shape.grid.y,
        shape.grid.z, warps));
  }
  return film;
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
  std::optional<Film> film;
  if (options.film) film.emplace(code, checked_film(*options.film, kernel, shape));
  std::optional<CheckedLaunch> checked;
  if (options.check) {
    checked.emplace(options.most_findings);
  } else {
    memory_.trust_contents();
  }
  std::optional<ReuseDistances> cache;
  if (options.cache) cache.emplace();
  const Launch launch{.program = code,
                      .shape = shape,
                      .parameters = std::move(parameters),
                      .memory = memory_,
                      .checked = checked ? &*checked : nullptr,
                      .film = film ? &*film : nullptr,
                      .cache = cache ? &*cache : nullptr,
                      .find_wraps = options.find_wraps};
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
  report.module = module_;
  report.schedule = options.schedule;
  report.filmed = options.film;
  if (film) report.film = film->frames();
  report.lines = tally_lines(code, counts);
  for (const LineTally& line : report.lines) report.total += line.tally;
  return report;
}

}  // namespace switchyard::kernels::xray
