// Checks what every numeric option accepts.

#include "tests/app/app_test.h"

namespace switchyard::test {
namespace {

/// A command line that lacks the value of its last option.
struct NumericOption {
  Arguments arguments;
  bool is_seed = false;
};

std::vector<NumericOption> numeric_options() {
  return {{{"train", "--threads"}},
          {{"study", "--threads"}},
          {{"study", "--seeds"}},
          {{"hessian", "--threads"}},
          {{"perturb", "--threads"}},
          {{"probe", "--seed"}, true},
          {{"probe", "--threads"}},
          {{"route", "--k"}},
          {{"route", "--capacity"}},
          {{"route", "--threads"}},
          {{"gradcheck", "--order"}},
          {{"gradcheck", "--size"}},
          {{"gradcheck", "--seed"}, true},
          {{"gradcheck", "--threads"}},
          {{"check", "fill", "--seed"}, true},
          {{"check", "fill", "--threads"}}};
}

TEST(OptionValuesTest, WholeNumbersAreDecimalAndInRange) {
  for (const NumericOption& option : numeric_options()) {
    const auto refuse = [&](const std::string& value, const std::string& part) {
      expect_failure(option.arguments + Arguments{value}, 2, option.arguments.back() + ": " + part);
    };
    refuse("-1", "must be at least ");
    refuse("18446744073709551617", "must be at most ");
    refuse("010", "must be a whole number in decimal digits, got '010'");
  }
  for (const char* malformed : {"", " 1", "1 ", "+1", "0x10", "1e3", "1.0", "1,000", "00", "nan",
                                "inf", "one", "\xd9\xa1"}) {
    expect_failure({"train", "--threads", malformed}, 2, "--threads: must be a whole number");
  }
}

TEST(OptionValuesTest, TheEndsOfRanges) {
  const auto seeded = [](const std::string& seed) {
    return Arguments{"gradcheck", "relu", "--order", "1", "--seed", seed};
  };
  expect_success(seeded("0"));
  expect_success(seeded("18446744073709551615"));
  expect_failure(seeded("18446744073709551616"), 2, "--seed: must be at most 18446744073709551615");
  expect_failure({"study", "--seeds", "10001"}, 2, "--seeds: must be at most 10000, got 10001");
  expect_failure({"study", "--print-config", "--set", "seeds=10001"}, 2, "seeds: must be");
  expect_failure({"train", "--threads", "4097"}, 2, "--threads: must be at most 4096, got 4097");
  expect_failure({"train", "--threads", "4294967297"}, 2, "--threads: must be at most 4096");
  expect_failure({"gradcheck", "--order", "5"}, 2, "--order: must be at most 4, got 5");
  expect_failure({"gradcheck", "--size", "65"}, 2, "--size: must be at most 64, got 65");
}

TEST(OptionValuesTest, FloatingPointNumbersAreFiniteDecimals) {
  for (const char* bad :
       {"nan", "-nan", "inf", "-1", "0", "0x1p-3", "1e-3x", "", " 1", "1e999", "x"}) {
    expect_failure({"gradcheck", "relu", "--tolerance", bad}, 2,
                   "--tolerance: must be above 0, got " + std::string(bad));
  }
  expect_success({"gradcheck", "relu", "--order", "1", "--tolerance", "1e-3"});
}

TEST(OptionValuesTest, SizesOfCheckAreDecimal) {
  for (const char* bad : {"m=010", "m=+1", "m=0x2", "m= 1", "m=18446744073709551617", "m=--1"}) {
    expect_failure({"check", "matmul", bad}, 2,
                   "sizes are given as NAME=INTEGER, got '" + std::string(bad) + "'");
  }
}

}  // namespace
}  // namespace switchyard::test
