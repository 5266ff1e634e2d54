#include "engine/io/safetensors.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "engine/io/files.h"
#include "kernels/api/temporary_directory.h"
#include "tests/support/expect_error.h"
#include "tests/support/image_files.h"

namespace switchyard {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::write_bytes;

/// A file with the given header, its true length before it, and `data` zero bytes after it.
std::string with_header(const std::string& header, std::size_t data) {
  const std::uint64_t length = header.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + header + std::string(data, '\0');
}

TensorFile sample() {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  std::vector<float> weights(12);
  for (float& w : weights) w = normal(random);
  TensorFile file;
  file.tensors["conv.weight"] = Tensor::from<float>({2, 3, 2}, weights);
  file.tensors["steps"] = Tensor::from<std::int64_t>({}, std::vector<std::int64_t>{-5});
  file.tensors["bytes"] = Tensor::from<std::uint8_t>({3}, std::vector<std::uint8_t>{1, 255, 0});
  file.tensors["indices"] = Tensor::from<std::int32_t>({1, 2}, std::vector<std::int32_t>{-1, 9});
  file.tensors["double"] = Tensor::from<double>({1}, std::vector<double>{0.1});
  file.tensors["empty"] = Tensor::empty({0, 4}, DType::kFloat32);
  file.metadata = {{"format", "pt"}, {"note", "two\nlines"}};
  return file;
}

void expect_same(const TensorFile& a, const TensorFile& b) {
  EXPECT_EQ(a.metadata, b.metadata);
  ASSERT_EQ(a.tensors.size(), b.tensors.size());
  for (const auto& [name, tensor] : a.tensors) {
    ASSERT_TRUE(b.tensors.contains(name)) << name;
    const Tensor& other = b.tensors.at(name);
    EXPECT_EQ(tensor.dtype(), other.dtype()) << name;
    EXPECT_EQ(tensor.shape(), other.shape()) << name;
    EXPECT_EQ(tensor.to_doubles(), other.to_doubles()) << name;
  }
}

class Safetensors : public testing::Test {
 protected:
  void expect_read_error(const std::string& bytes, const std::string& part) {
    write_bytes(path_, bytes);
    expect_error([&] { read_safetensors(path_); }, "weights.safetensors: ");
    expect_error([&] { read_safetensors(path_); }, part);
  }
  void expect_header_error(const std::string& header, std::size_t data, const std::string& part) {
    expect_read_error(with_header(header, data), part);
  }

  TemporaryDirectory scratch_;
  const fs::path path_ = scratch_ / "weights.safetensors";
};

TEST_F(Safetensors, WritesAndReadsBackEveryDType) {
  write_safetensors(path_, sample());
  expect_same(sample(), read_safetensors(path_));
}

TEST_F(Safetensors, KeepsBFloat16WhereThatIsAskedFor) {
  const std::vector<float> numbers = {1.5F, -2.0F, 0x1.02p100F, 0x1p-130F};
  TensorFile file;
  file.tensors["w"] = Tensor::from<float>({2, 2}, numbers).to(DType::kBFloat16);
  file.tensors["b"] = Tensor::from<float>({1}, std::vector<float>{0.1F});
  write_safetensors(path_, file);
  expect_same(file, read_safetensors(path_, StoredBFloat16::kKept));
  const Tensor widened = read_safetensors(path_).tensors.at("w");
  EXPECT_EQ(widened.dtype(), DType::kFloat32);
  EXPECT_EQ(widened.to_doubles(), file.tensors.at("w").to_doubles());
}

TEST_F(Safetensors, LaysTensorsOutAligned) {
  write_safetensors(path_, sample());
  const std::string bytes = read_file(path_);
  std::uint64_t header = 0;
  std::memcpy(&header, bytes.data(), sizeof header);
  EXPECT_EQ(header % 8, 0U);
  EXPECT_LT(bytes.find("steps"), bytes.find("conv.weight")) << "larger elements come first";
  EXPECT_LT(bytes.find("conv.weight"), bytes.find("bytes"));
}

TEST_F(Safetensors, ReadsAFileWrittenByHand) {
  std::string bytes =
      with_header(R"({"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]},)"
                  R"("a":{"dtype":"BF16","shape":[1,2],"data_offsets":[0,4]},"__metadata__":{}}  )",
                  12);
  const std::uint16_t halves[] = {0x3FC0, 0xC000};  // 1.5, -2
  const float floats[] = {0.25F, -8};
  std::memcpy(bytes.data() + bytes.size() - 12, halves, 4);
  std::memcpy(bytes.data() + bytes.size() - 8, floats, 8);
  write_bytes(path_, bytes);
  const TensorFile file = read_safetensors(path_);
  EXPECT_EQ(file.tensors.at("a").dtype(), DType::kFloat32);
  EXPECT_EQ(file.tensors.at("a").shape(), (Shape{1, 2}));
  EXPECT_EQ(file.tensors.at("a").to_doubles(), (std::vector<double>{1.5, -2}));
  EXPECT_EQ(file.tensors.at("b").to_doubles(), (std::vector<double>{0.25, -8}));
}

TEST_F(Safetensors, WidensEveryHalfToItsValue) {
  // These come from IEEE 754-2008, table 3.5: one, the largest, the smallest normal and subnormal,
  // signs.
  const std::vector<std::pair<std::uint16_t, double>> values = {{0x0000, 0.0},
                                                                {0x3C00, 1.0},
                                                                {0xC000, -2.0},
                                                                {0x7BFF, 65504.0},
                                                                {0x0400, 0x1p-14},
                                                                {0x0001, 0x1p-24},
                                                                {0x83FF, -1023 * 0x1p-24},
                                                                {0x7C00, INFINITY},
                                                                {0xFC00, -INFINITY},
                                                                {0x3555, 0.333251953125}};
  std::string bytes =
      with_header(fmt::format(R"({{"h":{{"dtype":"F16","shape":[{}],"data_offsets":[0,{}]}}}})",
                              values.size(), 2 * values.size()),
                  0);
  for (const auto& [half, value] : values) {
    bytes += {static_cast<char>(half & 0xFF), static_cast<char>(half >> 8)};
  }
  write_bytes(path_, bytes);
  const Tensor tensor = read_safetensors(path_).tensors.at("h");
  EXPECT_EQ(tensor.dtype(), DType::kFloat32);
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(tensor.to_doubles()[i], values[i].second) << "half " << values[i].first;
  }
}

TEST_F(Safetensors, PassesOverDTypesThatTheEngineLacks) {
  std::string bytes =
      with_header(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[3,4]},)"
                  R"("mask":{"dtype":"BOOL","shape":[3],"data_offsets":[0,3]},)"
                  R"("new":{"dtype":"F4_X","shape":[1,1,1,1,1,1,1,2],"data_offsets":[4,5]}})",
                  5);
  bytes[bytes.size() - 2] = 7;
  write_bytes(path_, bytes);
  const TensorFile file = read_safetensors(path_);
  EXPECT_EQ(file.tensors.size(), 1U);
  EXPECT_EQ(file.tensors.at("a").to_doubles(), std::vector<double>{7});
  EXPECT_EQ(file.skipped, (std::map<std::string, std::string>{{"mask", "BOOL"}, {"new", "F4_X"}}));
}

TEST_F(Safetensors, ReadsAPipeAsItReadsAFile) {
  write_safetensors(path_, sample());
  const std::string bytes = read_file(path_);
  const auto read_pipe = [&](const std::string& sent) {
    int ends[2];
    check(::pipe(ends) == 0 && ::write(ends[1], sent.data(), sent.size()) == std::ssize(sent),
          "no pipe");
    ::close(ends[1]);
    const std::string path = fmt::format("/proc/self/fd/{}", ends[0]);
    std::string error;
    try {
      expect_same(sample(), read_safetensors(path));
    } catch (const Error& e) {
      error = e.what();
    }
    ::close(ends[0]);
    return error;
  };
  EXPECT_EQ(read_pipe(bytes), "");
  EXPECT_NE(read_pipe(bytes + "x").find("bytes follow the last tensor"), std::string::npos);
  EXPECT_NE(read_pipe(bytes.substr(0, bytes.size() - 1)).find("truncated?"), std::string::npos);
  EXPECT_NE(read_pipe(bytes.substr(0, 20)).find("ends within its header"), std::string::npos);
  EXPECT_NE(read_pipe("abc").find("3 bytes are too few"), std::string::npos);
  const std::string huge = with_header(
      R"({"w":{"dtype":"U8","shape":[1099511627776],"data_offsets":[0,1099511627776]}})", 3);
  EXPECT_NE(read_pipe(huge).find("tensor 'w': the file ends"), std::string::npos);
}

TEST_F(Safetensors, AHeaderBeyondTheLimitIsRefusedBeforeItIsRead) {
  write_bytes(path_, with_header("{}", 0));
  const std::uint64_t length = kMaxTensorHeaderBytes + 1;
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  write_bytes(path_, bytes + "{");
  fs::resize_file(path_, 8 + length);
  expect_error([&] { read_safetensors(path_); }, "is above the limit of 16000000");
  TensorFile file;
  file.metadata["note"] = std::string(kMaxTensorHeaderBytes, 'x');
  expect_error([&] { write_safetensors(path_, file); }, "the limit is 16000000");
}

TEST_F(Safetensors, AnEmptyFileOfTensorsIsLegal) {
  write_safetensors(path_, {});
  EXPECT_TRUE(read_safetensors(path_).tensors.empty());
}

TEST_F(Safetensors, DamagedFramesAreNamed) {
  expect_error([&] { read_safetensors(scratch_ / "none"); }, "No such file");
  expect_error([&] { read_safetensors(scratch_.path()); }, "Is a directory");
  expect_read_error("", "0 bytes are too few");
  expect_read_error("1234567", "7 bytes are too few");
  expect_read_error(std::string(8, '\xff'), "goes beyond the file, which has 8");
  expect_read_error(std::string("\x03\0\0\0\0\0\0\0{}", 10), "length of 3 bytes goes beyond");
  expect_header_error(" {}", 0, "does not begin with '{'");
  expect_header_error("", 0, "does not begin with '{'");
  expect_header_error(R"({"a": )", 0, "header: line 1, column 7");
  expect_header_error("{}", 5, "5 bytes follow the last tensor");
  expect_header_error(R"({"__metadata__":{"a":1}})", 0, "__metadata__: 'a' is no string");
  expect_header_error(R"({"__metadata__":[]})", 0, "__metadata__ is no object");
}

TEST_F(Safetensors, BadDescriptionsNameTheTensor) {
  const auto one = [](const std::string& fields) { return R"({"w":{)" + fields + "}}"; };
  expect_header_error(R"({"w":1})", 0, "tensor 'w': its description is no object");
  expect_header_error(one(R"("shape":[1],"data_offsets":[0,4])"), 4, "'w': no string dtype");
  expect_header_error(one(R"("dtype":"F8","shape":[1],"data_offsets":[0,2])"), 1,
                      "'w': ends at byte 2 of the data");
  expect_header_error(one(R"("dtype":"F32","data_offsets":[0,4])"), 4, "'w': no array shape");
  expect_header_error(one(R"("dtype":"F32","shape":[-1],"data_offsets":[0,4])"), 4,
                      "shape holds something else");
  expect_header_error(one(R"("dtype":"F32","shape":[1.0],"data_offsets":[0,4])"), 4,
                      "shape holds something else");
  expect_header_error(one(R"("dtype":"F32","shape":[1,1,1,1,1,1,1],"data_offsets":[0,4])"), 4,
                      "7 axes");
  expect_header_error(one(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0])"),
                      0, "too many elements");
  expect_header_error(one(R"("dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0])"), 0,
                      "does not take the 0 bytes");
  expect_header_error(one(R"("dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,4])"),
                      4, "is too large");
  expect_header_error(one(R"("dtype":"F32","shape":[2],"data_offsets":[0,4])"), 4,
                      "shape [2] of F32 does not take the 4 bytes");
  expect_header_error(one(R"("dtype":"F32","shape":[1],"data_offsets":[4,0])"), 4,
                      "data_offsets must be");
  expect_header_error(one(R"("dtype":"F32","shape":[1],"data_offsets":[0])"), 4,
                      "data_offsets must be");
  expect_header_error(one(R"("dtype":"F32","shape":[2],"data_offsets":[0,8])"), 7,
                      "'w': ends at byte 8 of the data, of which the file holds 7");
  expect_header_error(one(R"("dtype":"F32","shape":[1],"data_offsets":[4,8])"), 8,
                      "'w': a hole of 4 bytes");
  expect_header_error(R"({"w\n":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", 2,
                      "tensor 'w\\n': a hole");
}

TEST_F(Safetensors, RepeatedNamesAndOverlapsAreErrors) {
  const std::string a = R"("a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]})";
  expect_header_error("{" + a + "," + a + "}", 2, "'a' occurs twice");
  expect_header_error("{" + a + R"(,"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})", 3,
                      "tensor 'b': overlaps");
  expect_header_error("{" + a + R"(,"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 2,
                      "tensor 'b': overlaps");
}

// Every prefix and every byte changed in several ways: an Error or a file, never a crash and never
// an allocation beyond the file's size. Meant to run under AddressSanitizer as well.
TEST_F(Safetensors, SurvivesEveryTruncationAndEveryChangedByte) {
  write_safetensors(path_, sample());
  const std::string valid = read_file(path_);
  const fs::path damaged = scratch_ / "damaged";
  const auto reads = [&](const std::string& bytes) {
    fs::remove(damaged);  // some file systems flush a file that is cut to nothing and rewritten
    write_bytes(damaged, bytes);
    try {
      read_safetensors(damaged);
      return true;
    } catch (const Error& error) {
      const std::string text = error.what();
      EXPECT_EQ(text.find('\n'), std::string::npos) << text;
      EXPECT_NE(text.find("damaged: "), std::string::npos) << text;
      return false;
    }
  };
  for (std::size_t size = 0; size < valid.size(); ++size) {
    EXPECT_FALSE(reads(valid.substr(0, size))) << "cut to " << size << " bytes";
  }
  EXPECT_FALSE(reads(valid + '\0'));
  std::size_t header = 0;
  std::memcpy(&header, valid.data(), sizeof header);
  for (std::size_t i = 0; i < valid.size(); ++i) {
    for (const char change : {'\x01', '\x08', '\x10', '\x80', '\xff'}) {
      std::string bytes = valid;
      bytes[i] = static_cast<char>(bytes[i] ^ change);
      const bool in_data = i >= 8 + header;
      EXPECT_TRUE(reads(bytes) || !in_data) << "any data are legal, byte " << i;
      EXPECT_TRUE(i >= 8 || !reads(bytes)) << "a wrong header length was not noticed";
    }
  }
}

TEST_F(Safetensors, WhatCannotBeWrittenLeavesThePreviousFile) {
  write_safetensors(path_, sample());
  TensorFile file;
  file.tensors["x"] = Tensor();
  expect_error([&] { write_safetensors(path_, file); }, "tensor 'x' cannot be written");
  file.tensors = {{"__metadata__", Tensor::zeros({1}, DType::kFloat32)}};
  expect_error([&] { write_safetensors(path_, file); }, "a reserved name");
  file.tensors = {{"\xff", Tensor::zeros({1}, DType::kFloat32)}};
  expect_error([&] { write_safetensors(path_, file); }, "cannot be written");
  expect_same(sample(), read_safetensors(path_));
}

TEST(RequireFinite, NamesFileTensorAndElement) {
  Tensor x = Tensor::zeros({2, 3}, DType::kFloat64);
  EXPECT_NO_THROW(require_finite("x", x, "w.safetensors"));
  x.data<double>()[4] = std::numeric_limits<double>::quiet_NaN();
  expect_error([&] { require_finite("x", x, "w.safetensors"); },
               "w.safetensors: tensor 'x' of shape [2, 3]: element 4 is nan");
  Tensor y = Tensor::full({1}, -INFINITY, DType::kFloat32);
  expect_error([&] { require_finite("y", y, "w.safetensors"); }, "element 0 is -inf");
  EXPECT_NO_THROW(require_finite("labels", Tensor::zeros({2}, DType::kInt64), "w"));
}

}  // namespace
}  // namespace switchyard
