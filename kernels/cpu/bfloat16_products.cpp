#include <algorithm>
#include <vector>

#include "kernels/api/grouped_matmul.h"
#include "kernels/api/matmul.h"
#include "kernels/api/provide.h"
#include "kernels/api/run.h"
#include "kernels/common/matmul_addend.h"
#include "kernels/cpu/expert_tiles.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/widen.h"

// Products of bfloat16 operands, summed in float32: on the processor's units for them through
// oneDNN, or in float32 on widened copies.

namespace switchyard::kernels {

extern template Ladder<Cpu, Matmul<float>> ladder();
extern template Ladder<Cpu, GroupedMatmul<float>> ladder();
extern template Ladder<Cpu, GroupedMatmulWeightGrad<float>> ladder();

namespace {

// ---- widened: the float32 kernel on copies of the operands

void product_widened(Cpu& exec, const Matmul<BFloat16>& p) {
  const MatmulShape& s = p.shape;
  const std::vector<float> a = widened(p.a, s.m * s.k);
  const std::vector<float> b = widened(p.b, s.k * s.n);
  run(exec, Matmul<float>{.shape = s,
                          .a = a.data(),
                          .b = b.data(),
                          .c = p.c,
                          .batch_invariant = p.batch_invariant,
                          .addend = p.addend});
}

void grouped_widened(Cpu& exec, const GroupedMatmul<BFloat16>& a) {
  const auto& [rows, experts, inner, cols] = a.shape;
  const std::vector<float> x = widened(a.x, rows * inner);
  const std::vector<float> w = widened(a.w, experts * inner * cols);
  std::vector<float> bias;
  if (a.bias != nullptr) bias = widened(a.bias, experts * cols);
  std::vector<float> y(static_cast<std::size_t>(rows * cols));
  run(exec, GroupedMatmul<float>{.shape = a.shape,
                                 .offsets = a.offsets,
                                 .x = x.data(),
                                 .w = w.data(),
                                 .transpose_w = a.transpose_w,
                                 .bias = a.bias != nullptr ? bias.data() : nullptr,
                                 .y = y.data()});
  round_to_bfloat16(y.data(), rows * cols, a.y);
}

void weight_grad_widened(Cpu& exec, const GroupedMatmulWeightGrad<BFloat16>& a) {
  const auto& [rows, experts, inner, cols] = a.shape;
  const std::vector<float> x = widened(a.x, rows * inner);
  const std::vector<float> gy = widened(a.gy, rows * cols);
  std::vector<float> gw(static_cast<std::size_t>(experts * inner * cols));
  run(exec,
      GroupedMatmulWeightGrad<float>{
          .shape = a.shape, .offsets = a.offsets, .x = x.data(), .gy = gy.data(), .gw = gw.data()});
  round_to_bfloat16(gw.data(), experts * inner * cols, a.gw);
}

// ---- oneDNN tiles

/// Edge of a tile: its operands pay for being repacked, its sums fit into the second-level cache.
constexpr std::int64_t kTileEdge = 256;

float* sums_of_tile() { return scratch<float>(Scratch::kPackedY, kTileEdge * kTileEdge); }

/// Rounds a tile's sums, plus the bias of its columns if there is one, into rows of y that are
/// `stride` apart.
void round_tile(const ExpertTile& tile, const float* sums, const BFloat16* bias, BFloat16* y,
                std::int64_t stride) {
  for (std::int64_t r = 0; r < tile.rows; ++r) {
    const float* const row = sums + r * tile.cols;
    BFloat16* const to = y + r * stride;
    for (std::int64_t c = 0; c < tile.cols; ++c) {
      to[c] = BFloat16(bias != nullptr ? row[c] + static_cast<float>(bias[c]) : row[c]);
    }
  }
}

void product_tiles(Cpu& cpu, const Matmul<BFloat16>& p) {
  const MatmulShape& s = p.shape;
  parallel_gemm<BFloat16>(s.m, s.n, s.k, {p.a, s.transpose_a ? s.m : s.k, s.transpose_a},
                          {p.b, s.transpose_b ? s.k : s.n, s.transpose_b}, p.c, s.n,
                          addend_in_place(cpu, p));
}

void grouped_tiles(Cpu&, const GroupedMatmul<BFloat16>& a) {
  const auto& [rows, experts, inner, cols] = a.shape;
  const auto tiles = tiles_of(experts, cols, kTileEdge,
                              [&a](std::int64_t e) { return a.offsets[e + 1] - a.offsets[e]; });
  for_each_task(tiles, [&a, inner = inner, cols = cols](const ExpertTile& tile) {
    const std::int64_t row = a.offsets[tile.expert] + tile.row;
    const MatrixView<BFloat16> w = {a.w + tile.expert * inner * cols, a.transpose_w ? inner : cols,
                                    a.transpose_w};
    float* const sums = sums_of_tile();
    if (inner > 0) {
      gemm(tile.rows, tile.cols, inner, {a.x + row * inner, inner, false}, w.from(0, tile.col),
           sums, tile.cols);
    } else {
      std::fill_n(sums, tile.rows * tile.cols, 0.0F);
    }
    round_tile(tile, sums, a.bias != nullptr ? a.bias + tile.expert * cols + tile.col : nullptr,
               a.y + row * cols + tile.col, cols);
  });
}

void weight_grad_tiles(Cpu&, const GroupedMatmulWeightGrad<BFloat16>& a) {
  const auto& [rows, experts, inner, cols] = a.shape;
  const auto tiles =
      tiles_of(experts, cols, kTileEdge, [inner = inner](std::int64_t) { return inner; });
  for_each_task(tiles, [&a, inner = inner, cols = cols](const ExpertTile& tile) {
    const std::int64_t first = a.offsets[tile.expert];
    const std::int64_t count = a.offsets[tile.expert + 1] - first;
    float* const sums = sums_of_tile();
    if (count > 0) {
      gemm(tile.rows, tile.cols, count, {a.x + first * inner + tile.row, inner, true},
           {a.gy + first * cols + tile.col, cols, false}, sums, tile.cols);
    } else {
      std::fill_n(sums, tile.rows * tile.cols, 0.0F);
    }
    round_tile(tile, sums, nullptr, a.gw + (tile.expert * inner + tile.row) * cols + tile.col,
               cols);
  });
}

constexpr std::string_view kNeeds = "a processor with bfloat16 arithmetic";
template <class Op>
bool has_units(const Op&) {
  return has_bfloat16_units();
}
constexpr std::string_view kProductNeeds =
    "a processor with bfloat16 arithmetic, and a call that does not ask for batch-invariant bits";
bool has_units_for_any_bits(const Matmul<BFloat16>& p) {
  return has_bfloat16_units() && any_bits(p);
}

}  // namespace

// ---- the ladders

template <>
constexpr auto kRungs<Cpu, Matmul<BFloat16>> = std::to_array<Rung<Cpu, Matmul<BFloat16>>>(
    {{"matmul_widened", product_widened},
     {"matmul_onednn_bfloat16_tiles", product_tiles, {kProductNeeds, has_units_for_any_bits}}});

template <>
constexpr auto kRungs<Cpu, GroupedMatmul<BFloat16>> =
    std::to_array<Rung<Cpu, GroupedMatmul<BFloat16>>>({{"grouped_matmul_widened", grouped_widened},
                                                       {"grouped_matmul_onednn_bfloat16_tiles",
                                                        grouped_tiles,
                                                        {kNeeds,
                                                         has_units<GroupedMatmul<BFloat16>>}}});

template <>
constexpr auto kRungs<Cpu, GroupedMatmulWeightGrad<BFloat16>> =
    std::to_array<Rung<Cpu, GroupedMatmulWeightGrad<BFloat16>>>(
        {{"grouped_matmul_weight_grad_widened", weight_grad_widened},
         {"grouped_matmul_weight_grad_onednn_bfloat16_tiles",
          weight_grad_tiles,
          {kNeeds, has_units<GroupedMatmulWeightGrad<BFloat16>>}}});

template struct Provides<Cpu, Matmul<BFloat16>, GroupedMatmul<BFloat16>,
                         GroupedMatmulWeightGrad<BFloat16>>;

}  // namespace switchyard::kernels
