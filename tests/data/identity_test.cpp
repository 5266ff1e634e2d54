#include "data/identity.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "engine/io/files.h"
#include "engine/io/json.h"
#include "kernels/api/temporary_directory.h"
#include "tests/support/expect_error.h"
#include "tests/support/image_files.h"

namespace switchyard::test {
namespace {

class IdentityTest : public testing::Test {
 protected:
  IdentityTest() { write_cifar10(scratch_ / "data", 4); }
  DatasetPair load(const std::string& name = "data") const {
    return load_directory(scratch_ / name);
  }

  TemporaryDirectory scratch_;
};

TEST_F(IdentityTest, TheFingerprintIsThatOfTheImagesWhereverTheyAre) {
  const std::string original = image_fingerprint(load());
  // printf '[20, 32, 32, 3]\n', the pixels, the labels, ... | sha256sum
  EXPECT_EQ(original.size(), 7U + 64U);
  EXPECT_TRUE(original.starts_with("sha256:")) << original;
  std::filesystem::rename(scratch_ / "data", scratch_ / "moved");
  EXPECT_EQ(image_fingerprint(load("moved")), original);
}

TEST_F(IdentityTest, OneOtherPixelOrLabelIsAnotherFingerprint) {
  const std::string original = image_fingerprint(load());
  for (const char* file : {"data/data_batch_3.bin", "data/test_batch.bin"}) {
    for (const std::size_t byte : {kCifarRecord, 2 * kCifarRecord - 1}) {  // a label, a pixel
      const std::string bytes = read_file(scratch_ / file);
      std::string changed = bytes;
      changed[byte] = static_cast<char>(changed[byte] ^ 1);
      write_bytes(scratch_ / file, changed);
      EXPECT_NE(image_fingerprint(load()), original) << file << " " << byte;
      write_bytes(scratch_ / file, bytes);
    }
  }
  EXPECT_EQ(image_fingerprint(load()), original);
}

TEST_F(IdentityTest, SurvivesItsFileWhateverThePathsBytes) {
  const auto file = scratch_ / "data.json";
  for (const std::string name :
       {"plain", "with space", "caf\xc3\xa9", "bytes \xff\xe9", "a\\b%41"}) {
    const DataIdentity written{"CIFAR-10", "given", scratch_ / name, "sha256:00"};
    write_json_atomic(file, to_json(written));
    const DataIdentity read = read_data_identity(file);
    EXPECT_EQ(read.location, written.location);
    EXPECT_EQ(read.name, "CIFAR-10");
    EXPECT_EQ(read.source, "given");
    EXPECT_EQ(read.fingerprint, "sha256:00");
  }
  expect_error([&] { read_data_identity(scratch_ / "none"); }, "none");
  write_bytes(file, R"({"name": "MNIST"})");
  expect_error<UsageError>([&] { read_data_identity(file); }, "data.json: ");
}

TEST_F(IdentityTest, OtherImagesAreRefusedByName) {
  const DataIdentity ours = identify(load());
  EXPECT_EQ(ours.location, scratch_ / "data");
  EXPECT_NO_THROW(check_same_images(ours, ours, "run"));
  write_cifar10(scratch_ / "others", 3);
  const DataIdentity others = identify(load("others"));
  const std::string message =
      error_text<UsageError>([&] { check_same_images(ours, others, "run"); });
  for (const std::string& part :
       {std::string("run: "), ours.location.string(), ours.fingerprint, others.location.string(),
        others.fingerprint, std::string("--data")}) {
    EXPECT_NE(message.find(part), std::string::npos) << message;
  }
}

}  // namespace
}  // namespace switchyard::test
