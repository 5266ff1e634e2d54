#include "kernels/cpu/lru_cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace switchyard::kernels {
namespace {

using Cache = LruCache<int, int, std::hash<int>>;

/// Looks `key` up and counts how often a value had to be made.
int find(Cache& cache, int key, std::atomic<int>& made) {
  return *cache.find_or_make(key, [&] {
    ++made;
    return std::make_shared<const int>(10 * key);
  });
}

TEST(LruCache, MakesAValueOnce) {
  Cache cache(4);
  std::atomic<int> made = 0;
  EXPECT_EQ(find(cache, 1, made), 10);
  EXPECT_EQ(find(cache, 2, made), 20);
  EXPECT_EQ(find(cache, 1, made), 10);
  EXPECT_EQ(made, 2);
}

TEST(LruCache, DropsTheLeastRecentlyUsed) {
  Cache cache(2);
  std::atomic<int> made = 0;
  for (int key : {1, 2, 1, 3}) find(cache, key, made);  // 3 drives 2 out
  EXPECT_EQ(cache.size(), 2U);
  EXPECT_EQ(made, 3);
  find(cache, 1, made);
  EXPECT_EQ(made, 3);
  find(cache, 2, made);
  EXPECT_EQ(made, 4);
}

TEST(LruCache, AValueInUseOutlivesItsEviction) {
  Cache cache(1);
  const auto first = cache.find_or_make(1, [] { return std::make_shared<const int>(10); });
  cache.find_or_make(2, [] { return std::make_shared<const int>(20); });
  EXPECT_EQ(*first, 10);
  EXPECT_EQ(first.use_count(), 1);
}

TEST(LruCache, AFailedValueLeavesNoEntry) {
  Cache cache(2);
  const auto fail = []() -> std::shared_ptr<const int> { throw std::runtime_error("no"); };
  EXPECT_THROW(cache.find_or_make(1, fail), std::runtime_error);
  EXPECT_EQ(cache.size(), 0U);
  std::atomic<int> made = 0;
  EXPECT_EQ(find(cache, 1, made), 10);
}

TEST(LruCache, ThreadsShareIt) {
  Cache cache(8);
  std::atomic<int> made = 0;
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) wrong += find(cache, i % 8, made) == 10 * (i % 8) ? 0 : 1;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(made, 8);
}

}  // namespace
}  // namespace switchyard::kernels
