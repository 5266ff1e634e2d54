#include "data/prefetch.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <thread>

namespace switchyard {
namespace {

TEST(Prefetcher, KeepsTheOrderAndEnds) {
  int produced = 0;
  Prefetcher<std::unique_ptr<int>> prefetcher(
      [&]() -> std::optional<std::unique_ptr<int>> {
        if (produced == 200) return std::nullopt;
        return std::make_unique<int>(produced++);
      },
      3);
  for (int i = 0; i < 200; ++i) {
    const auto item = prefetcher.next();
    ASSERT_TRUE(item.has_value());
    EXPECT_EQ(**item, i);
  }
  EXPECT_FALSE(prefetcher.next().has_value());
  EXPECT_FALSE(prefetcher.next().has_value()) << "asking again must not block";
}

TEST(Prefetcher, RunsAheadByItsDepthAndNoFurther) {
  std::atomic<int> produced = 0;
  Prefetcher<int> prefetcher([&] { return std::optional(produced++); }, 2);
  const auto wait_for = [&](int count) {
    for (int i = 0; i < 2000 && produced < count; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  };
  wait_for(2);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(produced, 2);
  EXPECT_EQ(prefetcher.next(), 0);
  wait_for(3);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(produced, 3);
}

TEST(Prefetcher, RethrowsAfterTheItemsBeforeTheException) {
  int produced = 0;
  Prefetcher<int> prefetcher(
      [&] {
        if (produced == 2) throw std::runtime_error("broken image");
        return std::optional(produced++);
      },
      4);
  EXPECT_EQ(prefetcher.next(), 0);
  EXPECT_EQ(prefetcher.next(), 1);
  for (int again = 0; again < 2; ++again) {
    try {
      prefetcher.next();
      FAIL() << "threw nothing";
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "broken image");
    }
  }
}

TEST(Prefetcher, ShutsDownWithoutBeingEmptied) {
  for (int round = 0; round < 100; ++round) {
    Prefetcher<int> prefetcher([] { return std::optional(1); }, 2);
    for (int i = 0; i < round % 4; ++i) prefetcher.next();
  }
}

}  // namespace
}  // namespace switchyard
