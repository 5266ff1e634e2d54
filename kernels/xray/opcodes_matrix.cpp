#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "kernels/xray/access.h"
#include "kernels/xray/checker.h"
#include "kernels/xray/decoding.h"
#include "kernels/xray/floats.h"

// Tensor cores: mma.sync, and ldmatrix, stmatrix, which feed them. Which lane holds which element
// is one rule for all formats: a 32-bit register (64 bits for f64) of lane l holds neighbours in
// depth of row (or column) l / 4, from depth l % 4 times its elements on (PTX ISA, "Matrix
// Fragments").

namespace switchyard::kernels::xray {
namespace {

using U32 = std::uint32_t;

/// The operands of mma as Instruction::option says.
enum class Format : std::uint8_t { kHalf, kBrain, kTf32, kDouble, kSigned8, kUnsigned8 };

struct Shape {
  int rows, columns, depth;
  int per_register;  ///< elements of A or B
  int words_a() const { return rows / 8 * depth / (4 * per_register); }
  int words_b() const { return depth / (4 * per_register); }
};

/// Packed into Instruction: rows in `count`, depth in `bytes`, columns are always 8.
Shape shape_of(const Instruction& in, Format format) {
  const int per = format == Format::kDouble || format == Format::kTf32  ? 1
                  : format == Format::kHalf || format == Format::kBrain ? 2
                                                                        : 4;
  return {in.count, 8, in.bytes, per};
}

double element(const Warp& w, Slot slot, U32 lane, int part, Format format) {
  if (format == Format::kDouble) return w.lanes<double>(slot)[lane];
  const U32 word = w.lanes<U32>(slot)[lane];
  const auto half = static_cast<std::uint16_t>(word >> (16 * (part & 1)));
  switch (format) {
    case Format::kHalf:
      return static_cast<float>(std::bit_cast<HalfFloat>(half));
    case Format::kBrain:
      return static_cast<float>(std::bit_cast<BrainFloat>(half));
    case Format::kTf32:
      return std::bit_cast<float>(word & ~0x1FFFU);
    case Format::kSigned8:
      return static_cast<std::int8_t>(word >> (8 * part));
    default:
      return static_cast<std::uint8_t>(word >> (8 * part));
  }
}

constexpr int kMostRows = 16, kMostDepth = 32;

struct Tiles {
  double a[kMostRows][kMostDepth];
  double b[kMostDepth][8];
};

void gather(const Warp& w, const Slot* slots, const Shape& shape, Format format, Tiles& tiles,
            Format format_b) {
  const int row_blocks = shape.rows / 8, per = shape.per_register;
  for (U32 lane = 0; lane < kLanes; ++lane) {
    const int line = static_cast<int>(lane / 4), at = static_cast<int>(lane % 4) * per;
    for (int word = 0; word < shape.words_a(); ++word) {
      const int row = line + word % row_blocks * 8, depth = word / row_blocks * 4 * per + at;
      for (int i = 0; i < per; ++i)
        tiles.a[row][depth + i] = element(w, slots[word], lane, i, format);
    }
    for (int word = 0; word < shape.words_b(); ++word) {
      for (int i = 0; i < per; ++i) {
        tiles.b[word * 4 * per + at + i][line] =
            element(w, slots[shape.words_a() + word], lane, i, format_b);
      }
    }
  }
}

/// What was never written in a row of A, a column of B or an element of C makes such values of that
/// row, column or element of D: a tile's rows beyond the matrix may hold anything.
void pass_taints(Warp& w, const Slot* slots, const Shape& shape, int per) {
  const int row_blocks = shape.rows / 8, sums = row_blocks * 2 / per;
  bool rows[kMostRows] = {}, columns[8] = {};
  Taint as;
  const auto note = [&](Slot slot, const auto& mark) {
    for (const Taint& one : w.taints) {
      if (one.slot != slot) continue;
      as = one;
      for_lanes(one.lanes, mark);
    }
  };
  for (int word = 0; word < shape.words_a(); ++word) {
    note(slots[word], [&](U32 lane) { rows[lane / 4 + 8U * (word % row_blocks)] = true; });
  }
  for (int word = 0; word < shape.words_b(); ++word) {
    note(slots[shape.words_a() + word], [&](U32 lane) { columns[lane / 4] = true; });
  }
  const Slot* const c = slots + shape.words_a() + shape.words_b();
  U32 tainted[kMostRows / 8 * 2] = {};
  for (int i = 0; i < sums; ++i) {
    note(c[i], [&](U32 lane) { tainted[i] |= 1U << lane; });
    for (U32 lane = 0; lane < kLanes; ++lane) {
      const U32 row = lane / 4 + 8U * (i * per / 2), column = lane % 4 * 2 + (per == 1 ? i % 2 : 0);
      const bool is_tainted = rows[row] || columns[column] || (per == 2 && columns[column + 1]);
      tainted[i] |= (is_tainted ? 1U : 0U) << lane;
    }
  }
  for (int i = 0; i < sums; ++i) Undefined::set(w, c[sums + i], tainted[i], as);
}

/// The sum of products in double, rounded once when it is added to C: no order of a tensor core's
/// is more exact. S is the type of a register of C, kParts the elements in it.
template <class S>
void multiply(Warp& w, const Instruction& in) {
  const auto format = static_cast<Format>(in.option & 15);
  const auto format_b = static_cast<Format>(in.option >> 4);
  const Shape shape = shape_of(in, format);
  const Slot* slots = &w.block->launch->program.slots[in.extra];
  Tiles tiles;
  if (!w.taints.empty()) pass_taints(w, slots, shape, std::is_same_v<S, HalfFloat> ? 2 : 1);
  gather(w, slots, shape, format, tiles, format_b);
  const int sums = shape.rows / 8 * 2;
  const int per = std::is_same_v<S, HalfFloat> ? 2 : 1;
  const Slot* c = slots + shape.words_a() + shape.words_b();
  const Slot* d = c + sums / per;
  double product[kMostRows][8] = {};
  for (int row = 0; row < shape.rows; ++row) {
    for (int k = 0; k < shape.depth; ++k) {
      for (int column = 0; column < 8; ++column) {
        product[row][column] += tiles.a[row][k] * tiles.b[k][column];
      }
    }
  }
  for (int i = 0; i < sums; i += per) {
    U32 words[kLanes];
    S values[kLanes];
    for (U32 lane = 0; lane < kLanes; ++lane) {
      const int row = static_cast<int>(lane / 4) + i / 2 * 8,
                column = static_cast<int>(lane % 4) * 2;
      if constexpr (std::is_same_v<S, HalfFloat>) {
        const U32 before = w.lanes<U32>(c[i / 2])[lane];
        U32 word = 0;
        for (int part = 0; part < 2; ++part) {
          const auto half =
              std::bit_cast<HalfFloat>(static_cast<std::uint16_t>(before >> (16 * part)));
          const double sum =
              product[row][column + part] + static_cast<double>(static_cast<float>(half));
          word |= U32{HalfFloat(static_cast<float>(sum)).bits} << (16 * part);
        }
        words[lane] = word;
      } else if constexpr (std::is_same_v<S, std::int32_t>) {
        const auto before = static_cast<std::int64_t>(w.lanes<S>(c[i])[lane]);
        const auto sum = before + static_cast<std::int64_t>(product[row][column + i % 2]);
        values[lane] = static_cast<S>(
            static_cast<U32>(in.waits ? std::clamp<std::int64_t>(sum, INT32_MIN, INT32_MAX) : sum));
      } else {
        values[lane] = static_cast<S>(static_cast<double>(w.lanes<S>(c[i])[lane]) +
                                      product[row][column + i % 2]);
      }
    }
    if constexpr (std::is_same_v<S, HalfFloat>) {
      w.store(d[i / 2], words);
    } else {
      w.store(d[i], values);
    }
  }
}

Format format_of(Decoding& d, Type type) {
  if (type == Type{'f', 16}) return Format::kHalf;
  if (type == Type{'h', 16}) return Format::kBrain;
  if (type == Type{'t', 32}) return Format::kTf32;
  if (type == Type{'f', 64}) return Format::kDouble;
  if (type == Type{'s', 8}) return Format::kSigned8;
  if (type == Type{'u', 8}) return Format::kUnsigned8;
  d.not_supported();
}

/// m16n8k16 in its three numbers.
bool parse_shape(const Opcode& op, int& rows, int& columns, int& depth) {
  for (const std::string_view modifier : op.modifiers) {
    if (modifier.size() > 5 &&
        std::sscanf(std::string(modifier).c_str(), "m%dn%dk%d", &rows, &columns, &depth) == 3) {
      return true;
    }
  }
  return false;
}

void append(Decoding& d, std::size_t operand, Type type, int count, bool first = false) {
  const Operand& vector = d.operand(operand);
  const bool single = vector.kind != Operand::Kind::kVector && count == 1;
  if (!single && static_cast<int>(vector.list.size()) != count) {
    d.fail("operand " + std::to_string(operand) + " has " + std::to_string(vector.list.size()) +
           " registers, expected " + std::to_string(count));
  }
  for (int i = 0; i < count; ++i) {
    const Operand& one = single ? vector : vector.list[static_cast<std::size_t>(i)];
    d.extra(operand == 0 ? d.destination(one, type) : d.source(one, type), first && i == 0);
  }
}

/// mma.sync.aligned.SHAPE.row.col.D.A.B.C
void decode_product(Decoding& d) {
  int rows = 0, columns = 0, depth = 0;
  if (!parse_shape(d.op, rows, columns, depth) || d.op.types.size() != 4) {
    d.fail("expected a shape and four types");
  }
  d.expect_operands(4);
  const Format a = format_of(d, d.op.types[1]), b = format_of(d, d.op.types[2]);
  const Type sum = d.op.types[0];
  d.in.count = static_cast<std::uint8_t>(rows);
  d.in.bytes = static_cast<std::uint8_t>(depth);
  d.in.option = static_cast<std::uint8_t>(static_cast<unsigned>(a) | static_cast<unsigned>(b) << 4);
  const Shape shape = shape_of(d.in, a);
  const bool bytes = d.op.types[1].bits == 8;
  const bool types_fit =
      d.op.types[1].bits == d.op.types[2].bits && bytes == (sum == Type{'s', 32});
  const bool fits = types_fit && (rows == 16 || rows == 8) && columns == 8 && depth > 0 &&
                    depth <= kMostDepth && depth % (4 * shape.per_register) == 0 &&
                    sum == d.op.types[3] && d.op.has("row") && d.op.has("col") &&
                    !d.op.has("xor") && !d.op.has("and") &&
                    !(rows == 8 && (a == Format::kHalf || a == Format::kBrain));
  if (!fits || d.op.base != "mma" || !d.op.has("sync") || d.op.has("sp") ||
      d.op.has("kind::mxf8f6f4")) {
    d.not_supported();
  }
  const Type word = a == Format::kDouble ? type_of<double>() : type_of<U32>();
  const bool packed = sum == Type{'f', 16};
  append(d, 1, word, shape.words_a(), true);
  append(d, 2, word, shape.words_b());
  const int sums = rows / 8 * 2 / (packed ? 2 : 1);
  const Type held = packed ? type_of<U32>() : Type{'b', sum.bits};
  append(d, 3, held, sums);
  append(d, 0, held, sums);
  d.in.run = sum == Type{'f', 32}   ? multiply<float>
             : sum == Type{'f', 64} ? multiply<double>
             : sum == Type{'s', 32} ? multiply<std::int32_t>
             : packed               ? multiply<HalfFloat>
                                    : nullptr;
  if (d.in.run == nullptr) d.not_supported();
  d.in.waits = d.op.has("satfinite");
  d.in.data_flow = DataFlow::kExchange;
  d.in.flow = Flow::kCollective;
  d.in.slot[4] = d.constant(kAllLanes, type_of<U32>());
  d.in.kind = Kind::kTensorCore;
  d.in.flops = static_cast<std::uint16_t>(2 * rows * columns * depth / 32);
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
  for (U32 matrix = 0; matrix < in.count; ++matrix) {
    U32 result[kLanes] = {};
    for (U32 lane = 0; lane < kLanes; ++lane) {
      for (U32 part = 0; part < 2; ++part) {
        const U32 line = lane / 4, at = lane % 4 * 2 + part;
        const U32 row = in.option != 0 ? at : line, column = in.option != 0 ? line : at;
        std::byte* place = access.host[matrix * 8 + row];
        if (place == nullptr) continue;
        std::uint16_t value = 0;
        if (kStore) {
          value = static_cast<std::uint16_t>(w.lanes<U32>(slots[matrix])[lane] >> (16 * part));
          std::memcpy(place + column * 2, &value, 2);
        } else {
          std::memcpy(&value, place + column * 2, 2);
          result[lane] |= U32{value} << (16 * part);
        }
      }
    }
    if (kStore) continue;
    if (w.block->checker != nullptr) taint_matrix(w, in, matrix, access);
    w.store(slots[matrix], result);
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
  table["mma"] = decode_product;
  table["ldmatrix"] = [](Decoding& d) { decode_matrices(d, false); };
  table["stmatrix"] = [](Decoding& d) { decode_matrices(d, true); };
}

}  // namespace switchyard::kernels::xray
