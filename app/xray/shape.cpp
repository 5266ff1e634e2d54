#include "app/xray/shape.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <set>
#include <string_view>

#include "app/option_values.h"
#include "engine/core/check.h"

namespace switchyard {
namespace {

constexpr std::uint64_t kMostRandomBlocks = 1'000'000;

/// "COUNT" or "COUNT:SEED".
void add_random_blocks(std::string_view text, std::uint64_t grid, std::set<std::uint64_t>& blocks) {
  const auto count = parse_whole_number(take_part(text, ':'));
  const auto seed = text.empty() ? 1 : parse_whole_number(text);
  check<UsageError>(count && *count >= 1 && *count <= kMostRandomBlocks && seed,
                    "--blocks: expected random:COUNT or random:COUNT:SEED, COUNT from 1 to {}",
                    kMostRandomBlocks);
  std::mt19937_64 random(*seed);
  for (std::uint64_t i = 0; i < *count; ++i) blocks.insert(random() % grid);
}

}  // namespace

kernels::Dim3 parse_extent(const std::string& option, const std::string& text,
                           const SizeNames& names, unsigned least) {
  constexpr std::uint64_t kMost = 2147483647;
  unsigned parts[3] = {least, least, least};
  std::string_view rest = text;
  for (unsigned& part : parts) {
    const auto value = size_value(take_part(rest, ','), names);
    check<UsageError>(value && *value >= least && *value <= kMost,
                      "{}: expected X, X,Y or X,Y,Z of numbers from {} to {}, got '{}'{}", option,
                      least, kMost, text, value ? fmt::format(", of which one is {}", *value) : "");
    part = static_cast<unsigned>(*value);
    if (rest.empty()) return {parts[0], parts[1], parts[2]};
  }
  throw UsageError(fmt::format("{}: has more than three parts: '{}'", option, text));
}

kernels::xray::Schedule parse_schedule(const std::string& text) {
  using kernels::xray::Order;
  if (text == "together") return {};
  if (text == "reverse") return {Order::kReverse, 1};
  std::string_view rest = text;
  const bool is_random = take_part(rest, ':') == "random";
  const auto seed = parse_whole_number(rest);
  check<UsageError>(is_random && seed,
                    "--schedule: expected together, reverse or random:SEED, got '{}'", text);
  return {Order::kRandom, *seed};
}

std::vector<std::uint64_t> parse_blocks(const std::string& text, std::uint64_t grid) {
  std::set<std::uint64_t> blocks;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view part = take_part(rest, ',');
    if (part == "first") {
      blocks.insert(0);
    } else if (part == "last") {
      blocks.insert(grid - 1);
    } else if (part.starts_with("random:")) {
      add_random_blocks(part.substr(7), grid, blocks);
    } else {
      const auto number = parse_whole_number(part);
      check<UsageError>(number.has_value(),
                        "--blocks: expected first, last, random:COUNT or numbers, got '{}'", part);
      check<UsageError>(*number < grid, "--blocks: there is no block {}, the grid has {}", *number,
                        grid);
      blocks.insert(*number);
    }
  }
  return {blocks.begin(), blocks.end()};
}

}  // namespace switchyard
