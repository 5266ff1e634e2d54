#include <gtest/gtest.h>

#include <cstdint>

#include "kernels/cuda/moe_fused_form.cuh"

// Extents have 32 bits in the kernels, but what lies beyond 2^31 elements of an array is reached
// with 64: index arithmetic without the memory. A source answers with an address, which nobody
// reads here.

namespace switchyard::kernels {
namespace {

constexpr int kWidth = 4096;
constexpr int kSlots = 1 << 21;  // times kWidth: 2^33 elements
constexpr std::int64_t kLast = kSlots - 1;

/// An array whose elements have no memory: elements from its beginning to an address.
struct Nowhere {
  static const float* data() { return reinterpret_cast<const float*>(std::uintptr_t{1} << 12); }
  static std::int64_t elements_to(const float* address) {
    return (reinterpret_cast<std::intptr_t>(address) - reinterpret_cast<std::intptr_t>(data())) /
           static_cast<std::int64_t>(sizeof(float));
  }
};

TEST(LargeIndices, MatricesReachTheirLastElement) {
  const MatrixSource<float, true> rows{Nowhere::data(), kSlots, kWidth};
  EXPECT_EQ(Nowhere::elements_to(rows.at(rows.row(kSlots - 1), kWidth - 1)),
            kLast * kWidth + kWidth - 1);
  const MatrixSource<float, false> columns{Nowhere::data(), kWidth, kWidth};
  EXPECT_EQ(Nowhere::elements_to(columns.at(columns.row(kWidth - 1), kSlots - 1)),
            kLast * kWidth + kWidth - 1);
  const MatrixSink<float> sink{const_cast<float*>(Nowhere::data()), kSlots, kWidth, true};
  EXPECT_EQ(Nowhere::elements_to(sink.row(kSlots - 1)), kLast * kWidth);
}

TEST(LargeIndices, GatheredRowsReachTheLastToken) {
  // The last slot belongs to the last token's last choice.
  constexpr int kChoices = 8;
  const std::int64_t assignment = std::int64_t{kSlots} * kChoices - 1;
  const SlotTokens tokens{&assignment, Divider(kChoices)};
  const GatheredRows<float> rows{Nowhere::data(), tokens, 1, kWidth};
  EXPECT_EQ(Nowhere::elements_to(rows.at(rows.row(0), kWidth - 1)), kLast * kWidth + kWidth - 1);
  const int token = kSlots - 1;
  const GatheredColumns<float> columns{Nowhere::data(), &token, 0, kWidth};
  EXPECT_EQ(Nowhere::elements_to(columns.at(columns.row(kWidth - 1), 0)),
            kLast * kWidth + kWidth - 1);
}

TEST(LargeIndices, PairedRowsReachTheSecondHalf) {
  constexpr int kUnits = 1 << 20;
  constexpr int kPair = 32;
  const PairedRows<float, kPair> rows{Nowhere::data(), kUnits, kWidth};
  const auto row = rows.row(2 * kUnits - 1);
  EXPECT_EQ(Nowhere::elements_to(rows.at(row, kWidth - 1)),
            (2 * std::int64_t{kUnits} - 1) * kWidth + kWidth - 1);
}

/// 2^22 assignments of 4096 columns: 2^34 numbers. Every extent fits, so the launchers take it, and
/// the grid has a block for each tile.
TEST(LargeIndices, LaunchersTakeMoreThanTwoToThe31Numbers) {
  const MoeShape shape = {.tokens = kSlots,
                          .k = 2,
                          .slots = 2 * std::int64_t{kSlots},
                          .experts = 256,
                          .width = kWidth,
                          .hidden = kWidth,
                          .out = kWidth,
                          .activation = ExpertActivation::kSwiGlu};
  const fused_moe::Extents extents("moe_forward_fused", shape);
  const GroupedExtents p = extents.product(nullptr, extents.width, extents.wide);
  EXPECT_EQ(most_row_tiles(p, kGroupedTile), 2 * kSlots / kGroupedTile + 256);
  EXPECT_EQ(p.weights(), std::int64_t{kWidth} * 2 * kWidth);
  const std::int64_t blocks =
      most_row_tiles(p, kGroupedTile) * tiles_along(extents.wide, kGroupedTile);
  EXPECT_EQ(checked_extent("moe_forward_fused", "blocks", blocks), blocks);
}

}  // namespace
}  // namespace switchyard::kernels
