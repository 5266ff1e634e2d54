#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>
#include <string>

#include "kernels/xray/checker.h"
#include "kernels/xray/decoding.h"
#include "kernels/xray/floats.h"

// Products of tensor cores: mma.sync. Which lane holds which element is one rule for all formats: a
// 32-bit register (64 bits for f64) of lane l holds neighbours in depth of row (or column) l / 4,
// from depth l % 4 times its elements on (PTX ISA, "Matrix Fragments"). So the elements of a
// register's 32 lanes, one after the other, are 8 whole rows of a piece of the matrix.

namespace switchyard::kernels::xray {
namespace {

using U32 = std::uint32_t;

/// The operands of mma as Instruction::option says.
enum class Format : std::uint8_t { kHalf, kBrain, kTf32, kDouble, kSigned8, kUnsigned8 };

constexpr int kLines = 8;  ///< rows of A, or columns of B and C, that a register reaches
constexpr int kMostRows = 16, kMostDepth = 32, kMostPerRegister = 4;

struct Shape {
  int rows, depth;
  int per_register;  ///< elements of A or B
  int words_a() const { return rows / kLines * depth / (4 * per_register); }
  int words_b() const { return depth / (4 * per_register); }
};

/// Packed into Instruction: rows in `count`, depth in `bytes`, columns are always 8.
Shape shape_of(const Instruction& in, Format format) {
  const int per = format == Format::kDouble || format == Format::kTf32  ? 1
                  : format == Format::kHalf || format == Format::kBrain ? 2
                                                                        : 4;
  return {in.count, in.bytes, per};
}

/// Calls convert(word, part) for the parts of the words of all lanes, and keeps what it returns.
template <int kParts, class Convert>
void unpack(const U32* words, double* elements, const Convert& convert) {
  for (U32 lane = 0; lane < kLanes; ++lane) {
    for (int part = 0; part < kParts; ++part) {
      elements[lane * kParts + static_cast<U32>(part)] = convert(words[lane], part);
    }
  }
}

/// The elements of a register, lane by lane.
void read_elements(const Warp& w, Slot slot, Format format, double* elements) {
  const U32* const words = w.lanes<U32>(slot);
  switch (format) {
    case Format::kDouble:
      std::memcpy(elements, w.lanes<double>(slot), kLanes * sizeof(double));
      return;
    case Format::kHalf:
      return unpack<2>(words, elements, [](U32 word, int part) {
        const auto half = static_cast<std::uint16_t>(word >> (16 * part));
        return static_cast<double>(static_cast<float>(std::bit_cast<HalfFloat>(half)));
      });
    case Format::kBrain:
      return unpack<2>(words, elements, [](U32 word, int part) {
        return static_cast<double>(std::bit_cast<float>(word >> (16 * part) << 16));
      });
    case Format::kTf32:
      return unpack<1>(words, elements, [](U32 word, int) {
        return static_cast<double>(std::bit_cast<float>(word & ~0x1FFFU));
      });
    case Format::kSigned8:
      return unpack<4>(words, elements, [](U32 word, int part) {
        return static_cast<double>(static_cast<std::int8_t>(word >> (8 * part)));
      });
    case Format::kUnsigned8:
      return unpack<4>(words, elements, [](U32 word, int part) {
        return static_cast<double>(static_cast<std::uint8_t>(word >> (8 * part)));
      });
  }
}

struct Tiles {
  double a[kMostRows][kMostDepth];
  double b[kMostDepth][kLines];
};

void gather(const Warp& w, const Slot* slots, const Shape& shape, Format format_a, Format format_b,
            Tiles& tiles) {
  const int row_blocks = shape.rows / kLines, length = 4 * shape.per_register;
  double elements[kLanes * kMostPerRegister];
  for (int word = 0; word < shape.words_a(); ++word) {
    const int row = word % row_blocks * kLines, depth = word / row_blocks * length;
    read_elements(w, slots[word], format_a, elements);
    for (int line = 0; line < kLines; ++line) {
      std::copy_n(elements + line * length, length, &tiles.a[row + line][depth]);
    }
  }
  for (int word = 0; word < shape.words_b(); ++word) {
    read_elements(w, slots[shape.words_a() + word], format_b, elements);
    for (int i = 0; i < length; ++i) {
      for (int line = 0; line < kLines; ++line) {
        tiles.b[word * length + i][line] = elements[line * length + i];
      }
    }
  }
}

/// What was never written in a row of A, a column of B or an element of C makes such values of that
/// row, column or element of D: a tile's rows beyond the matrix may hold anything.
void pass_taints(Warp& w, const Slot* slots, const Shape& shape, int per) {
  const int row_blocks = shape.rows / kLines, sums = row_blocks * 2 / per;
  bool rows[kMostRows] = {}, columns[kLines] = {};
  Taint as;
  const auto note = [&](Slot slot, const auto& mark) {
    for (const Taint& one : w.taints) {
      if (one.slot != slot) continue;
      as = one;
      for_lanes(one.lanes, mark);
    }
  };
  for (int word = 0; word < shape.words_a(); ++word) {
    note(slots[word], [&](U32 lane) { rows[lane / 4 + kLines * (word % row_blocks)] = true; });
  }
  for (int word = 0; word < shape.words_b(); ++word) {
    note(slots[shape.words_a() + word], [&](U32 lane) { columns[lane / 4] = true; });
  }
  const Slot* const c = slots + shape.words_a() + shape.words_b();
  U32 tainted[kMostRows / kLines * 2] = {};
  for (int i = 0; i < sums; ++i) {
    note(c[i], [&](U32 lane) { tainted[i] |= 1U << lane; });
    for (U32 lane = 0; lane < kLanes; ++lane) {
      const U32 row = lane / 4 + kLines * (i * per / 2),
                column = lane % 4 * 2 + (per == 1 ? i % 2 : 0);
      const bool is_tainted = rows[row] || columns[column] || (per == 2 && columns[column + 1]);
      tainted[i] |= (is_tainted ? 1U : 0U) << lane;
    }
  }
  for (int i = 0; i < sums; ++i) Undefined::set(w, c[sums + i], tainted[i], as);
}

/// Four rows of the product at a time, in two of the host's vectors each: a sum has to wait for the
/// one before it, and so eight are under way.
void multiply(const Tiles& tiles, const Shape& shape, double* product) {
  using Four = double __attribute__((vector_size(kLines / 2 * sizeof(double))));
  constexpr int kRows = 4;
  for (int row = 0; row < shape.rows; row += kRows) {
    Four sums[kRows][2] = {};
    for (int k = 0; k < shape.depth; ++k) {
      Four columns[2];
      std::memcpy(columns, tiles.b[k], sizeof columns);
      for (int i = 0; i < kRows; ++i) {
        sums[i][0] += tiles.a[row + i][k] * columns[0];
        sums[i][1] += tiles.a[row + i][k] * columns[1];
      }
    }
    std::memcpy(product + row * kLines, sums, sizeof sums);
  }
}

/// Adds every second number of `product` to a register of C.
template <class S>
void add_product(Warp& w, const Instruction& in, Slot c, Slot d, const double* product) {
  const S* const before = w.lanes<S>(c);
  S values[kLanes];
  for (U32 lane = 0; lane < kLanes; ++lane) {
    if constexpr (std::is_same_v<S, std::int32_t>) {
      const std::int64_t sum = before[lane] + static_cast<std::int64_t>(product[2 * lane]);
      values[lane] = static_cast<S>(
          static_cast<U32>(in.waits ? std::clamp<std::int64_t>(sum, INT32_MIN, INT32_MAX) : sum));
    } else {
      values[lane] = static_cast<S>(static_cast<double>(before[lane]) + product[2 * lane]);
    }
  }
  w.store(d, values);
}
/// Adds the numbers of `product` in pairs to the halves of C's words.
void add_pairs(Warp& w, Slot c, Slot d, const double* product) {
  const U32* const before = w.lanes<U32>(c);
  U32 words[kLanes] = {};
  for (U32 lane = 0; lane < kLanes; ++lane) {
    for (U32 part = 0; part < 2; ++part) {
      const auto half = static_cast<std::uint16_t>(before[lane] >> (16 * part));
      const double sum = product[2 * lane + part] +
                         static_cast<double>(static_cast<float>(std::bit_cast<HalfFloat>(half)));
      words[lane] |= U32{HalfFloat(static_cast<float>(sum)).bits} << (16 * part);
    }
  }
  w.store(d, words);
}

/// The sum of products in double, rounded once when it is added to C: no order of a tensor core's
/// is more exact. S is the type of an element of C. Its registers have row l / 4 of lane l, from
/// column l % 4 * 2 on: elements 2 l and 2 l + 1 of 8 rows.
template <class S>
void run_product(Warp& w, const Instruction& in) {
  constexpr bool kPacked = std::is_same_v<S, HalfFloat>;
  const auto format_a = static_cast<Format>(in.option & 15);
  const auto format_b = static_cast<Format>(in.option >> 4);
  const Shape shape = shape_of(in, format_a);
  const Slot* const slots = &w.block->launch->program.slots[in.extra];
  if (!w.taints.empty()) pass_taints(w, slots, shape, kPacked ? 2 : 1);
  Tiles tiles;
  gather(w, slots, shape, format_a, format_b, tiles);
  double product[kMostRows * kLines];
  multiply(tiles, shape, product);
  const int sums = shape.rows / kLines * (kPacked ? 1 : 2);
  const Slot* const c = slots + shape.words_a() + shape.words_b();
  for (int i = 0; i < sums; ++i) {
    if constexpr (kPacked) {
      add_pairs(w, c[i], c[sums + i], product + i * kLines * kLines);
    } else {
      add_product<S>(w, in, c[i], c[sums + i], product + i / 2 * kLines * kLines + i % 2);
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
  d.in.run = sum == Type{'f', 32}   ? run_product<float>
             : sum == Type{'f', 64} ? run_product<double>
             : sum == Type{'s', 32} ? run_product<std::int32_t>
             : packed               ? run_product<HalfFloat>
                                    : nullptr;
  if (d.in.run == nullptr) d.not_supported();
  d.in.waits = d.op.has("satfinite");
  d.in.data_flow = DataFlow::kExchange;
  d.in.flow = Flow::kCollective;
  d.in.slot[4] = d.constant(kAllLanes, type_of<U32>());
  d.in.kind = Kind::kTensorCore;
  d.in.flops = static_cast<std::uint16_t>(2 * rows * columns * depth / 32);
}

}  // namespace

void add_product_opcodes(OpcodeTable& table) { table["mma"] = decode_product; }

}  // namespace switchyard::kernels::xray
