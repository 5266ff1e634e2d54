#pragma once

#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kernels/api/temporary_directory.h"
#include "tests/app/program.h"
#include "tests/support/image_files.h"

namespace switchyard::test {

using Arguments = std::vector<std::string>;

inline Arguments operator+(Arguments a, const Arguments& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

/// A scratch directory with a small data set in CIFAR-10's format: 300 training and 60 test images.
class AppTest : public testing::Test {
 protected:
  AppTest() { write_cifar10(data(), 60); }

  std::string path(const std::string& name) const { return (scratch_ / name).string(); }
  std::string data() const { return path("data"); }

  /// Two epochs of 64 images in 4 steps each, on one thread, into `out`.
  Arguments train(const std::string& out) const {
    return {"train",
            "--preset",
            "tiny",
            "--data",
            data(),
            "--out",
            path(out),
            "--threads",
            "1",
            "--set",
            "data.train_limit=64",
            "--set",
            "data.validation=20",
            "--set",
            "data.test_limit=20",
            "--set",
            "batch_size=16"};
  }

 private:
  TemporaryDirectory scratch_;
};

}  // namespace switchyard::test
