#include "analysis/perturbation/explorer.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <fstream>
#include <limits>

#include "analysis/perturbation/curves.h"
#include "engine/core/check.h"
#include "kernels/api/temporary_directory.h"
#include "tests/analysis/perturbation/parameters.h"
#include "tests/analysis/perturbation/quadratic.h"
#include "tests/support/expect_error.h"

namespace switchyard {
namespace {

/// Counts how often a set was looked at.
ImageProbe counted(ImageProbe probe, int& calls) {
  return {.group_weights = probe.group_weights,
          .values =
              [probe, &calls] {
                ++calls;
                return probe.values();
              },
          .gradient = probe.gradient};
}

TEST(Explorer, KnowsItsStart) {
  Quadratic q({1.0}, {2.0});
  q.levels[0] = 5.0;
  int calls = 0;
  Explorer explorer(q.parameters, counted(q.probe(), calls), q.probe());
  EXPECT_EQ(explorer.start(Subset::kTrain).loss, 5.0);
  const std::vector<Tensor> d = vector_of({1.0});
  const Step nowhere[] = {{0.0, d}};
  EXPECT_EQ(explorer.values(Subset::kTrain, "0", nowhere).loss, 5.0);
  EXPECT_EQ(calls, 1);
  const Step step[] = {{0.5, d}};
  EXPECT_EQ(explorer.values(Subset::kTrain, "1", step).loss, 5.0 + 0.5 + 0.25);
  EXPECT_EQ(explorer.gradient(Subset::kTrain, step)[0].to_doubles(), std::vector{2.0});
  EXPECT_EQ(q.parameters[0].to_doubles(), std::vector{0.0});
}

TEST(Explorer, GoesOnWhereItWasStopped) {
  const TemporaryDirectory directory;
  const std::filesystem::path file = directory / "state/points.jsonl";
  const Quadratic q({1.0 / 3.0, 0.2}, {2.0, 7.0});
  const std::vector<Tensor> d = vector_of({0.3, 0.1});
  int calls = 0;
  const auto explore = [&](int points) {
    PointJournal journal(file);
    Explorer explorer(
        q.parameters, counted(q.probe(), calls), q.probe(),
        [&](std::string_view) { return points-- > 0; }, &journal);
    return to_json(curve_along(explorer, "curve", d, {-1.0, -0.1, 0.0, 0.1, 1.0})).dump();
  };
  EXPECT_THROW(explore(5), Interrupted);  // of the eight that have to be computed
  EXPECT_EQ(q.parameters[0].to_doubles(), (std::vector{0.0, 0.0}));
  std::ofstream(file, std::ios::app) << "{\"point\": \"cut sho";
  calls = 0;
  const std::string resumed = explore(3);
  EXPECT_EQ(calls, 1 + 1);  // the start, and one of the three: the others are test's
  std::filesystem::remove(file);
  EXPECT_EQ(resumed, explore(8));
}

TEST(PointJournal, KeepsEveryBitAndWhatIsNotFinite) {
  const TemporaryDirectory directory;
  const PointValues values{.loss = 1.0 / 3.0,
                           .accuracy = 0.1,
                           .changed = 0.7,
                           .group_losses = {std::nextafter(1.0, 2.0), -0.0, HUGE_VAL}};
  PointJournal(directory / "points.jsonl").add("a/b", values);
  const PointJournal journal(directory / "points.jsonl");
  EXPECT_FALSE(journal.find("a/c").has_value());
  const PointValues found = journal.find("a/b").value();
  EXPECT_EQ(found.loss, values.loss);
  EXPECT_EQ(found.changed, values.changed);
  EXPECT_EQ(found.group_losses[0], values.group_losses[0]);
  EXPECT_TRUE(std::signbit(found.group_losses[1]));
  EXPECT_FALSE(std::isfinite(found.group_losses[2]));
}

TEST(PointJournal, RefusesAnotherFile) {
  const TemporaryDirectory directory;
  std::ofstream(directory / "points.jsonl") << "{\"loss\": 1}\n";
  test::expect_error([&] { PointJournal journal(directory / "points.jsonl"); },
                     "points.jsonl: no journal of points at byte 0");
}

}  // namespace
}  // namespace switchyard
