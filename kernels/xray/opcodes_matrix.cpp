#include <cstring>
#include <utility>

#include "kernels/xray/access.h"
#include "kernels/xray/checker.h"
#include "kernels/xray/decoding.h"

// ldmatrix and stmatrix, which move what tensor cores multiply: matrices of 8 x 8 numbers of 16
// bits.

namespace switchyard::kernels::xray {
namespace {

using U32 = std::uint32_t;

constexpr U32 kSide = 8;

/// A matrix as its register holds it: a row after the other, two numbers in each lane.
using Matrix = std::uint16_t[kSide][kSide];

void transpose(Matrix& matrix) {
  for (U32 row = 0; row < kSide; ++row) {
    for (U32 column = 0; column < row; ++column)
      std::swap(matrix[row][column], matrix[column][row]);
  }
}

/// Taints the lanes of a matrix' register whose two elements were never written.
void taint_matrix(Warp& w, const Instruction& in, U32 matrix, const Access& access) {
  U32 lanes = 0;
  for (U32 lane = 0; lane < kLanes; ++lane) {
    bool all = true;
    for (U32 part = 0; part < 2; ++part) {
      const U32 line = lane / 4, at = lane % 4 * 2 + part;
      const U32 row = in.option != 0 ? at : line, column = in.option != 0 ? line : at;
      all = all && (access.undefined[column / 2] >> (matrix * 8 + row) & 1) != 0;
    }
    lanes |= (all ? 1U : 0U) << lane;
  }
  Undefined::taint(w, in, w.block->launch->program.slots[in.extra + matrix], lanes, access, 0);
}

/// Lanes 8i to 8i + 7 hold the addresses of the rows of matrix i, 16 bytes each; lane l gets the
/// elements 2 (l % 4) and the one after it of row l / 4, or of that column with .trans.
template <bool kStore>
void move_matrices(Warp& w, const Instruction& in) {
  const U32 lanes = in.count == 4 ? kAllLanes : (1U << 8 * in.count) - 1;
  Access access;
  addresses(w, in.slot[1], in.address_bits, in.offset, access.address);
  resolve(w, in, in.space, kStore ? Use::kStore : Use::kLoad, 16, lanes & w.active, access);
  const Slot* slots = &w.block->launch->program.slots[in.extra];
  for (U32 number = 0; number < in.count; ++number) {
    std::byte* const* const rows = access.host + number * kSide;
    Matrix matrix = {};
    if constexpr (kStore) {
      std::memcpy(matrix, w.lanes<U32>(slots[number]), sizeof matrix);
      if (in.option != 0) transpose(matrix);
      for (U32 row = 0; row < kSide; ++row) {
        if (rows[row] != nullptr) std::memcpy(rows[row], matrix[row], sizeof matrix[row]);
      }
    } else {
      for (U32 row = 0; row < kSide; ++row) {
        if (rows[row] != nullptr) std::memcpy(matrix[row], rows[row], sizeof matrix[row]);
      }
      if (in.option != 0) transpose(matrix);
      U32 result[kLanes];
      std::memcpy(result, matrix, sizeof result);
      if (w.block->checker != nullptr) taint_matrix(w, in, number, access);
      w.store(slots[number], result);
    }
  }
}

void decode_matrices(Decoding& d, bool stores) {
  d.expect_operands(2);
  if (!d.op.has("m8n8") || d.op.type().bits != 16) d.not_supported();
  const int count = d.op.has("x1") ? 1 : d.op.has("x2") ? 2 : d.op.has("x4") ? 4 : 0;
  if (count == 0) d.fail("expected x1, x2 or x4");
  d.address(stores ? 0 : 1, Space::kShared);
  const Operand& vector = d.operand(stores ? 1 : 0);
  const bool single = vector.kind != Operand::Kind::kVector;
  if ((single ? 1 : static_cast<int>(vector.list.size())) != count) {
    d.fail("expected a register per matrix");
  }
  for (int i = 0; i < count; ++i) {
    const Operand& one = single ? vector : vector.list[static_cast<std::size_t>(i)];
    d.extra(stores ? d.source(one, type_of<U32>()) : d.destination(one, type_of<U32>()), i == 0);
  }
  d.in.count = static_cast<std::uint8_t>(count);
  d.in.option = d.op.has("trans") ? 1 : 0;
  d.in.data_flow = DataFlow::kExchange;
  d.in.run = stores ? move_matrices<true> : move_matrices<false>;
  d.in.kind = stores ? Kind::kSharedStore : Kind::kSharedLoad;
  d.in.flow = Flow::kCollective;
  d.in.slot[4] = d.constant(kAllLanes, type_of<U32>());
}

}  // namespace

void add_matrix_opcodes(OpcodeTable& table) {
  table["ldmatrix"] = [](Decoding& d) { decode_matrices(d, false); };
  table["stmatrix"] = [](Decoding& d) { decode_matrices(d, true); };
}

}  // namespace switchyard::kernels::xray
