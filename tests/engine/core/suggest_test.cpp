#include "engine/core/suggest.h"

#include <gtest/gtest.h>

namespace switchyard::test {
namespace {

const std::vector<std::string> kFields = {"epochs", "batch_size", "optimizer", "rate", "k"};

TEST(SuggestTest, DistanceCountsSingleChanges) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("abc", ""), 3U);
  EXPECT_EQ(edit_distance("epochs", "epochs"), 0U);
  EXPECT_EQ(edit_distance("epoch", "epochs"), 1U);
  EXPECT_EQ(edit_distance("epohcs", "epochs"), 1U);  // two neighbours swapped
  EXPECT_EQ(edit_distance("optimiser", "optimizer"), 1U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
}

TEST(SuggestTest, NamesTheNearestOnly) {
  EXPECT_EQ(nearest_name("epoch", kFields), "epochs");
  EXPECT_EQ(nearest_name("optimiser", kFields), "optimizer");
  EXPECT_EQ(nearest_name("Batch-Size", kFields), "batch_size");
  EXPECT_EQ(nearest_name("rat", kFields), "rate");
  EXPECT_EQ(did_you_mean("epoch", kFields), "; did you mean 'epochs'?");
}

TEST(SuggestTest, SaysNothingWhereNothingIsNear) {
  for (const char* far : {"", "x", "pictures", "learning_rate_schedule", "\xff"}) {
    EXPECT_EQ(did_you_mean(far, kFields), "") << far;
  }
  EXPECT_EQ(did_you_mean("epoch", {}), "");
  EXPECT_EQ(did_you_mean(std::string(1 << 20, 'a'), kFields), "");
}

}  // namespace
}  // namespace switchyard::test
