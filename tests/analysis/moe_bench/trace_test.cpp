#include "analysis/moe_bench/trace.h"

#include <gtest/gtest.h>

#include <cstring>

#include "engine/io/files.h"
#include "engine/io/safetensors.h"
#include "kernels/api/temporary_directory.h"
#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

namespace switchyard::moe_bench {
namespace {

/// A file in NumPy's format 1.0.
std::string npy(const std::string& descr, const std::string& shape, const std::string& data,
                const std::string& order = "False") {
  std::string header =
      "{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }";
  header += std::string((64 - (10 + header.size() + 1) % 64) % 64, ' ') + "\n";
  std::string file("\x93NUMPY\x01\x00", 8);
  file += static_cast<char>(header.size() % 256);
  file += static_cast<char>(header.size() / 256);
  return file + header + data;
}

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  std::string bytes(values.size() * sizeof(T), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

class TraceTest : public testing::Test {
 protected:
  std::filesystem::path write(const std::string& name, const std::string& bytes) {
    write_file_atomic(scratch_ / name, bytes);
    return scratch_ / name;
  }
  std::filesystem::path write_tensor(const Tensor& tensor, const std::string& experts = "") {
    TensorFile file;
    file.tensors["routed_experts"] = tensor;
    if (!experts.empty()) file.metadata["experts"] = experts;
    write_safetensors(scratch_ / "trace.safetensors", file);
    return scratch_ / "trace.safetensors";
  }
  void expect_trace_error(const std::filesystem::path& path, const std::string& part,
                          TraceOptions options = {.experts = 8}) {
    test::expect_error<Error>([&] { read_trace(path, options); }, part);
  }

  TemporaryDirectory scratch_;
};

TEST_F(TraceTest, ReadsIntegersOfEveryWidth) {
  const std::vector<double> want = {5, 0, 7, 2};
  const auto read = [&](const std::string& descr, const std::string& data) {
    return read_npy_integers(write("a.npy", npy(descr, "(2, 2)", data)));
  };
  EXPECT_EQ(read("|u1", bytes_of<std::uint8_t>({5, 0, 7, 2})).to_doubles(), want);
  EXPECT_EQ(read("<i2", bytes_of<std::int16_t>({5, 0, 7, 2})).to_doubles(), want);
  EXPECT_EQ(read("<i4", bytes_of<std::int32_t>({5, 0, 7, 2})).to_doubles(), want);
  EXPECT_EQ(read("<i8", bytes_of<std::int64_t>({5, 0, 7, 2})).shape(), (Shape{2, 2}));
}

TEST_F(TraceTest, TakesOneLayer) {
  const std::string data = bytes_of<std::int32_t>({0, 1, 2, 3, 4, 5, 6, 7});
  const auto path = write("a.npy", npy("<i4", "(2, 2, 2)", data));
  EXPECT_EQ(read_trace(path, {.experts = 8, .layer = 1}).to_doubles(),
            (std::vector<double>{2, 3, 6, 7}));
  expect_trace_error(path, "no layer 2, routed_experts has 2", {.experts = 8, .layer = 2});
}

TEST_F(TraceTest, ReadsSafetensors) {
  const Tensor choices = Tensor::from<std::int64_t>({2, 2}, {1, 0, 3, 7});
  test::expect_same_bits(read_trace(write_tensor(choices, "8"), {.experts = 8}), choices);
}

TEST_F(TraceTest, NamesRowAndValue) {
  const auto path = write_tensor(Tensor::from<std::int64_t>({3, 2}, {0, 1, 2, 3, 4, 8}));
  expect_trace_error(path, "row 2 names expert 8, expected 0 to 7");
  expect_trace_error(write_tensor(Tensor::from<std::int64_t>({2, 2}, {0, 1, -1, 3})),
                     "row 1 names expert -1");
  expect_trace_error(write_tensor(Tensor::from<std::int64_t>({2, 2}, {0, 1, 3, 3})),
                     "row 1 names expert 3 twice");
}

TEST_F(TraceTest, NamesWhatElseIsWrong) {
  const Tensor fine = Tensor::from<std::int64_t>({1, 2}, {0, 1});
  expect_trace_error(write_tensor(fine, "64"), "the trace is of 64 experts, the layer has 8");
  expect_trace_error(write_tensor(Tensor::from<std::int64_t>({2}, {0, 1})),
                     "must be [T, k] or [T, layers, k]");
  expect_trace_error(write_tensor(Tensor::from<float>({1, 2}, {0.0F, 1.0F})), "must be integers");
  write_safetensors(scratch_ / "other.safetensors", {{{"experts", fine}}, {}});
  expect_trace_error(scratch_ / "other.safetensors", "routed_experts is missing");
}

TEST_F(TraceTest, DamagedNpyFiles) {
  const std::string good = npy("<i4", "(1, 2)", bytes_of<std::int32_t>({0, 1}));
  const auto fails = [&](const std::string& bytes, const std::string& part) {
    expect_trace_error(write("bad.npy", bytes), part);
  };
  fails("", "not a file in NumPy's format");
  fails("\x93NUMPY", "not a file in NumPy's format");
  fails(good.substr(0, 40), "the header ends behind the file");
  fails(good.substr(0, good.size() - 1), "needs 8 bytes of data, the file has 7");
  fails(npy("<f4", "(1, 2)", std::string(8, '\0')), "expected integers");
  fails(npy(">i4", "(1, 2)", std::string(8, '\0')),
        "expected numbers of 1 to 8 bytes, little-endian");
  fails(npy("<i4", "(1, 2)", std::string(8, '\0'), "True"), "column-major");
  fails(npy("<i4", "(1, x)", std::string(8, '\0')), "shape cannot be read");
  fails(npy("<i4", "(99999999999, 99999999999)", ""), "shape is too large");
  std::string version = good;
  version[6] = 9;
  fails(version, "version 9");
}

}  // namespace
}  // namespace switchyard::moe_bench
