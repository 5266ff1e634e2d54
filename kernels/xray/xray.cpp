#include "kernels/xray/xray.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <stdexcept>
#include <utility>

#include "kernels/api/error.h"
#include "kernels/cpu/parallel.h"
#include "kernels/xray/block_run.h"
#include "kernels/xray/decode.h"
#include "kernels/xray/image.h"

namespace switchyard::kernels::xray {
namespace {

/// Runs all blocks in ascending order on the host's threads. Returns the counts per instruction.
std::vector<AccessCounts> run_blocks(const Launch& launch, std::uint64_t limit) {
  const std::uint64_t blocks = launch.shape.grid.count();
  Progress progress;
  progress.limit = limit;
  std::atomic<std::uint64_t> next{0};
  std::mutex mutex;
  std::exception_ptr error;
  std::vector<AccessCounts> total(launch.program.code.size());
  const auto workers =
      static_cast<std::int64_t>(std::min(blocks, static_cast<std::uint64_t>(thread_count())));
  parallel_for(workers, 1, [&](std::int64_t begin, std::int64_t end) {
    if (begin == end) return;
    std::uint64_t block = 0;
    try {
      BlockRun run(launch, progress);
      for (block = next++; block < blocks && !progress.stops(block); block = next++) {
        run.run(block);
      }
      const std::lock_guard lock(mutex);
      for (std::size_t i = 0; i < total.size(); ++i) total[i] += run.counts()[i];
    } catch (...) {
      const std::lock_guard lock(mutex);
      // What a block throws once it is told to stop says nothing.
      if (error && progress.stops(block)) return;
      progress.failed = block;
      error = std::current_exception();
    }
  });
  if (error) std::rethrow_exception(error);
  return total;
}

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
  std::optional<Film> film;
  if (options.film) film.emplace(code, checked_film(*options.film, kernel, shape));
  const Launch launch{.program = code,
                      .shape = shape,
                      .parameters = std::move(parameters),
                      .memory = memory_,
                      .check = options.check,
                      .film = film ? &*film : nullptr};
  const std::vector<AccessCounts> counts = run_blocks(launch, options.instruction_limit);

  LaunchReport report;
  report.kernel = kernel;
  report.shape = shape;
  report.threads = shape.grid.count() * shape.block.count();
  report.warps = shape.grid.count() * ((shape.block.count() + kLanes - 1) / kLanes);
  report.module = module_;
  report.filmed = options.film;
  if (film) report.film = film->frames();
  report.lines = tally_lines(code, counts);
  for (const LineTally& line : report.lines) report.total += line.tally;
  return report;
}

}  // namespace switchyard::kernels::xray
