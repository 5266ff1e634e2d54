#include "tests/support/shared_turns.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/cuda/swizzled_tile.cuh"
#include "kernels/cuda/tensor_core_tile.cuh"

// Counts the turns that the banks of shared memory take for a tile on tensor cores, from the
// addresses that the kernels compute: the loaders' places, the lines' XOR, the rows that lanes give
// to ldmatrix. docs/kernels/matmul.md shows the counts.

namespace switchyard::kernels {
namespace {

using test::shared_turns;

/// Turns of all warps of a block in one step of depth.
struct Turns {
  int taken = 0;
  int least = 0;     // one for each 128 bytes
  int products = 0;  // instructions of the tensor cores

  void add(int turns, int bytes) {
    taken += turns;
    least += bytes / 128;
  }
  double a_product() const { return static_cast<double>(taken) / products; }
  double over_least() const { return static_cast<double>(taken) / least; }
};

/// Adds what the loader of an operand writes; index_of(row, depth) is where an element lies.
template <class Loader, bool kAlongDepth, class IndexOf>
void add_stores(int threads, const IndexOf& index_of, Turns& turns) {
  constexpr int kBytes = static_cast<int>(sizeof(typename Loader::T));
  for (int first = 0; first < threads; first += 32) {
    for (int j = 0; j < Loader::kPieces; ++j) {
      const auto turns_of = [&](int bytes, int i) {
        return shared_turns(bytes, [&](int lane) {
          const auto at = Loader::place(first + lane, j);
          return kBytes *
                 index_of(at.row + (kAlongDepth ? 0 : i), at.depth + (kAlongDepth ? i : 0));
        });
      };
      int sum = 0;
      if (Loader::kDirect) {
        sum = turns_of(16, 0);
      } else {
        for (int i = 0; i < Loader::kWidth; ++i) sum += turns_of(kBytes, i);
      }
      turns.add(sum, 512);
    }
  }
}

/// Adds a read of one 32-bit register, or of four by ldmatrix, of every lane.
template <class T, class IndexOf>
void add_word(const IndexOf& index_of, Turns& turns) {
  turns.add(shared_turns(4, [&](int lane) { return index_of(lane) * static_cast<int>(sizeof(T)); }),
            128);
}
template <class T, class IndexOf>
void add_matrices(const IndexOf& index_of, Turns& turns) {
  turns.add(
      shared_turns(16, [&](int lane) { return index_of(lane) * static_cast<int>(sizeof(T)); }),
      512);
}

/// Calls body(row or column, depth) for each fragment, or pair of them, that a warp reads.
template <class Tile, class Body>
void for_each_read(int first, int extent, int step, const Body& body) {
  for (int d = 0; d < Tile::kDepth; d += Tile::Instruction::kDepth) {
    for (int i = 0; i < extent; i += step) body(first + i, d);
  }
}

/// A tile with padded lines, which turns operands on their way.
template <class Tile, bool kAlongA, bool kAlongB>
Turns padded() {
  using Mma = typename Tile::Instruction;
  using T = typename Tile::Operand;
  const auto at = [](int row, int depth) { return row * Tile::kLine + depth; };
  Turns turns;
  add_stores<
      TileLoader<MatrixSource<T, kAlongA>, Tile::kRows, Tile::kDepth, Tile::kThreads, true, true>,
      kAlongA>(Tile::kThreads, at, turns);
  add_stores<
      TileLoader<MatrixSource<T, kAlongB>, Tile::kCols, Tile::kDepth, Tile::kThreads, true, true>,
      kAlongB>(Tile::kThreads, at, turns);
  for (int warp = 0; warp < Tile::kThreads / 32; ++warp) {
    for_each_read<Tile>(
        Tile::row_of_warp(warp), Tile::kWarpRows, Mma::kRows, [&](int row, int depth) {
          for (int w = 0; w < Mma::kWordsA; ++w) {
            const int i = w * Mma::kPerWord;
            add_word<T>(
                [&](int lane) {
                  return at(row + Mma::a_row(lane, i), depth + Mma::a_depth(lane, i));
                },
                turns);
          }
        });
    for_each_read<Tile>(
        Tile::col_of_warp(warp), Tile::kWarpCols, Mma::kCols, [&](int col, int depth) {
          for (int w = 0; w < Mma::kWordsB; ++w) {
            const int i = w * Mma::kPerWord;
            add_word<T>(
                [&](int lane) {
                  return at(col + Mma::b_col(lane, i), depth + Mma::b_depth(lane, i));
                },
                turns);
          }
        });
    turns.products += Tile::kTilesDown * Tile::kTilesAcross * (Tile::kDepth / Mma::kDepth);
  }
  return turns;
}

/// A swizzled tile, whose lines are as in global memory.
template <class Tile, bool kAlongA, bool kAlongB>
Turns swizzled() {
  using Mma = typename Tile::Instruction;
  using T = typename Tile::Operand;
  using A = MatrixSource<T, kAlongA>;
  using B = MatrixSource<T, kAlongB>;
  using LinesA = typename Tile::template LinesOfA<A>;
  using LinesB = typename Tile::template LinesOfB<B>;
  Turns turns;
  add_stores<typename Tile::template LoaderOfA<A>, kAlongA>(Tile::kThreads, LinesA::at, turns);
  add_stores<typename Tile::template LoaderOfB<B>, kAlongB>(Tile::kThreads, LinesB::at, turns);
  for (int warp = 0; warp < Tile::kThreads / 32; ++warp) {
    for_each_read<Tile>(
        Tile::row_of_warp(warp), Tile::kWarpRows, Mma::kRows, [&](int row, int depth) {
          if constexpr (LinesA::kByMatrix) {
            add_matrices<T>([&](int lane) { return LinesA::matrix_of_a(row, depth, lane); }, turns);
          } else {
            for (int i = 0; i < 4; ++i) {
              add_word<T>(
                  [&](int lane) { return LinesA::template word_of_a<Mma>(row, depth, lane, i); },
                  turns);
            }
          }
        });
    for_each_read<Tile>(
        Tile::col_of_warp(warp), Tile::kWarpCols, 2 * Mma::kCols, [&](int col, int depth) {
          if constexpr (LinesB::kByMatrix) {
            add_matrices<T>([&](int lane) { return LinesB::matrix_of_b(col, depth, lane); }, turns);
          } else {
            for (int i = 0; i < 4; ++i) {
              add_word<T>(
                  [&](int lane) { return LinesB::template word_of_b<Mma>(col, depth, lane, i); },
                  turns);
            }
          }
        });
    turns.products += Tile::kTilesDown * Tile::kTilesAcross * (Tile::kDepth / Mma::kDepth);
  }
  return turns;
}

template <class Tile, bool kAlongA, bool kAlongB>
Turns turns_of() {
  if constexpr (requires { Tile::kStages; }) {
    return swizzled<Tile, kAlongA, kAlongB>();
  } else {
    return padded<Tile, kAlongA, kAlongB>();
  }
}

/// Calls body(turns, what is transposed) for the four ways in which a and b may lie.
template <class Tile, class Body>
void for_transposes(const Body& body) {
  body(turns_of<Tile, true, false>(), "neither");
  body(turns_of<Tile, false, false>(), "a");
  body(turns_of<Tile, true, true>(), "b");
  body(turns_of<Tile, false, true>(), "both");
}

template <class Mma>
void expect_at_most_a_tenth_over_the_least() {
  const auto expect = [](const Turns& turns, const char* transposed) {
    EXPECT_LE(turns.over_least(), 1.1) << transposed;
    EXPECT_GE(turns.over_least(), 1.0) << transposed;
  };
  for_transposes<SwizzledTile<Mma, 128, 128, 64, 32, 2>>(expect);
  for_transposes<SwizzledTile<Mma, 128, 128, 64, 64, 2>>(expect);
  for_transposes<SwizzledTile<Mma, 128, 128, 64, 64, 4>>(expect);
  for_transposes<SwizzledTile<Mma, 64, 64, 32, 32, 2>>(expect);
  for_transposes<SwizzledTile<Mma, 64, 64, 32, 32, 4>>(expect);
}

TEST(SharedTurns, SwizzledTilesTakeAtMostATenthMoreThanTheLeast) {
  expect_at_most_a_tenth_over_the_least<MmaBf16>();
  expect_at_most_a_tenth_over_the_least<MmaTf32>();
}

TEST(SharedTurns, PaddedTilesTakeMoreInAllButOneCase) {
  for_transposes<TensorCoreTile<MmaBf16, 128, 128>>([](const Turns& turns, const char* transposed) {
    EXPECT_GE(turns.over_least(), 1.25) << transposed;
  });
  for_transposes<TensorCoreTile<MmaTf32, 128, 128>>([](const Turns& turns, const char* transposed) {
    // Elements of 4 bytes that are turned one by one meet each bank once.
    EXPECT_EQ(turns.over_least() > 1.1, transposed != std::string_view("a")) << transposed;
  });
}

/// Counts on known accesses, so that the counter can be wrong in neither direction.
TEST(SharedTurns, AreCountedPerBankAndPart) {
  EXPECT_EQ(shared_turns(4, [](int lane) { return 4 * lane; }), 1);
  EXPECT_EQ(shared_turns(4, [](int /*lane*/) { return 64; }), 1);  // all lanes one word
  EXPECT_EQ(shared_turns(4, [](int lane) { return 8 * lane; }), 2);
  EXPECT_EQ(shared_turns(4, [](int lane) { return 128 * lane; }), 32);
  EXPECT_EQ(shared_turns(2, [](int lane) { return 2 * lane; }), 1);  // two lanes a word
  EXPECT_EQ(shared_turns(8, [](int lane) { return 8 * lane; }), 2);
  EXPECT_EQ(shared_turns(16, [](int lane) { return 16 * lane; }), 4);
  EXPECT_EQ(shared_turns(16, [](int lane) { return 64 * lane; }), 16);   // lines without padding
  EXPECT_EQ(shared_turns(16, [](int lane) { return 128 * lane; }), 32);  // nor XOR
  EXPECT_EQ(shared_turns(16, [](int lane) { return 144 * lane; }), 4);   // lines with padding
}

template <class Lines, int kRows, int kDepth>
void expect_each_element_has_its_place() {
  std::set<int> places;
  for (int row = 0; row < kRows; ++row) {
    for (int depth = 0; depth < kDepth; ++depth) places.insert(Lines::at(row, depth));
  }
  EXPECT_EQ(places.size(), static_cast<std::size_t>(kRows * kDepth));
  EXPECT_EQ(*places.begin(), 0);
  EXPECT_EQ(*places.rbegin(), kRows * kDepth - 1);
  for (int row = 0; row < kRows; ++row) {
    const int first = row / Lines::kPeriod * Lines::kPeriod;
    EXPECT_EQ(Lines::at(row, 5), Lines::from_row(first) + Lines::at(row - first, 5));
  }
}

TEST(SwizzledLines, GiveEachElementAPlaceOfItsOwn) {
  expect_each_element_has_its_place<SwizzledLines<BFloat16, true, 128, 32>, 128, 32>();
  expect_each_element_has_its_place<SwizzledLines<BFloat16, false, 128, 32>, 128, 32>();
  expect_each_element_has_its_place<SwizzledLines<BFloat16, false, 64, 32>, 64, 32>();
  expect_each_element_has_its_place<SwizzledLines<float, true, 64, 16>, 64, 16>();
  expect_each_element_has_its_place<SwizzledLines<float, false, 64, 16>, 64, 16>();
}

/// The end of a table's row: bytes that a step of depth fetches from global memory, and those that
/// are under way while one is multiplied.
template <class Tile>
std::string bytes_of_step() {
  constexpr int kStep = (Tile::kRows + Tile::kCols) * 64;
  int stages = 2;
  if constexpr (requires { Tile::kStages; }) stages = Tile::kStages;
  return fmt::format(" {} | {} |", kStep, (stages - 1) * kStep);
}

/// A row of the matrix product's page: turns a product in the four cases, and the least.
template <class Tile>
std::string row_of_matmul(const char* rung) {
  std::string row = fmt::format("| `{}` |", rung);
  for_transposes<Tile>(
      [&](const Turns& turns, const char*) { row += fmt::format(" {:.2f} |", turns.a_product()); });
  const Turns any = turns_of<Tile, true, true>();
  return row + fmt::format(" {:.2f} |", static_cast<double>(any.least) / any.products) +
         bytes_of_step<Tile>();
}

/// A row of the grouped product's: x · w, x · wᵀ, and the weight gradient.
template <class Tile>
std::string row_of_grouped(const char* rung) {
  return fmt::format("`{}` | {}x{} | {:.2f} | {:.2f} | {:.2f} |", rung, Tile::kRows, Tile::kCols,
                     turns_of<Tile, true, false>().a_product(),
                     turns_of<Tile, true, true>().a_product(),
                     turns_of<Tile, false, false>().a_product()) +
         bytes_of_step<Tile>();
}

void expect_on_page(const char* name, const std::vector<std::string>& rows) {
  std::ifstream file(fmt::format("{}/docs/kernels/{}", SWITCHYARD_SOURCE_DIR, name));
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  for (const std::string& row : rows) EXPECT_NE(page.find(row), std::string::npos) << row;
}

template <class Mma, int kWarpCols, int kStages>
using Large = SwizzledTile<Mma, 128, 128, 64, kWarpCols, kStages>;
template <class Mma, int kStages>
using Small = SwizzledTile<Mma, 64, 64, 32, 32, kStages>;

TEST(SharedTurns, AreWhatThePagesSay) {
  expect_on_page("matmul.md",
                 {row_of_matmul<TensorCoreTile<MmaBf16, 128, 128>>("matmul_tensor_core"),
                  row_of_matmul<TensorCoreTile<MmaTf32, 128, 128>>("matmul_tensor_core_tf32"),
                  row_of_matmul<Large<MmaBf16, 32, 2>>("..._swizzled"),
                  row_of_matmul<Large<MmaBf16, 64, 2>>("..._warps_64x64"),
                  row_of_matmul<Large<MmaBf16, 64, 4>>("..._four_stages"),
                  row_of_matmul<Large<MmaBf16, 64, 4>>("..._persistent")});
  expect_on_page("grouped_matmul.md",
                 {row_of_grouped<TensorCoreTile<MmaTf32, 64, 64>>("..._tensor_core_tf32"),
                  row_of_grouped<Small<MmaTf32, 2>>("..._swizzled_tf32"),
                  row_of_grouped<Large<MmaTf32, 64, 2>>("..._warps_64x64_tf32"),
                  row_of_grouped<Large<MmaTf32, 64, 4>>("..._four_stages_tf32"),
                  row_of_grouped<TensorCoreTile<MmaBf16, 64, 64>>("..._tensor_core"),
                  row_of_grouped<Small<MmaBf16, 2>>("..._swizzled"),
                  row_of_grouped<Large<MmaBf16, 64, 4>>("..._persistent")});
}

TEST(SharedTurns, OfSwizzledTilesAreTheSameForBothKindsOfOperands) {
  EXPECT_EQ((row_of_matmul<Large<MmaBf16, 32, 2>>("")), (row_of_matmul<Large<MmaTf32, 32, 2>>("")));
  EXPECT_EQ((row_of_matmul<Large<MmaBf16, 64, 4>>("")), (row_of_matmul<Large<MmaTf32, 64, 4>>("")));
}

}  // namespace
}  // namespace switchyard::kernels
