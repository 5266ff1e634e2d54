#include "app/xray/expect.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include "app/option_values.h"
#include "app/xray/arguments.h"
#include "app/xray/buffer.h"
#include "engine/core/check.h"

namespace switchyard {
namespace {

using kernels::xray::Allocation;
using kernels::xray::Memory;

/// The buffer that "N" or "N.B" names: of argument N, the B-th in it. `text` is the expectation.
const Allocation& buffer_of(const Memory& memory, std::string_view which, std::string_view text) {
  const std::size_t point = which.find('.');
  const auto position = parse_whole_number(which.substr(0, point));
  const auto inside = point == std::string_view::npos ? std::optional<std::uint64_t>(1)
                                                      : parse_whole_number(which.substr(point + 1));
  check<UsageError>(position && inside && *inside > 0,
                    "--expect: '{}' is not N=BUFFER, such as 0=zeros:f32:64", text);
  const Allocation* found = memory.find(xray_buffer_name(*position, *inside));
  check<UsageError>(found != nullptr, "--expect: '{}' names an argument that is no buffer", text);
  return *found;
}

bool agrees(const XrayBuffer& expected, const char* made, const char* wanted, double tolerance) {
  if (std::memcmp(made, wanted, number_bytes(expected.type)) == 0) return true;
  if (!is_floating(expected.type)) return false;
  const double x = number_at(expected.type, made), y = number_at(expected.type, wanted);
  if (std::isnan(x) || std::isnan(y)) return std::isnan(x) && std::isnan(y);
  return x == y || std::abs(x - y) <= tolerance * std::max(1.0, std::abs(y));
}

void compare(std::string_view kernel, const Allocation& buffer, const XrayBuffer& expected,
             double tolerance) {
  const char* made = reinterpret_cast<const char*>(buffer.begin);
  const std::size_t bytes = number_bytes(expected.type);
  const std::string zero(bytes, '\0');
  std::uint64_t differ = 0, first = 0;
  for (std::uint64_t i = 0; i < expected.count; ++i) {
    const char* wanted = expected.data.empty() ? zero.data() : expected.data.data() + i * bytes;
    if (agrees(expected, made + i * bytes, wanted, tolerance)) continue;
    if (differ++ == 0) first = i;
  }
  if (differ == 0) return;
  const char* wanted = expected.data.empty() ? zero.data() : expected.data.data() + first * bytes;
  throw Error(fmt::format("{}: {}: element {} is {}, expected {}; {} of {} differ", kernel,
                          buffer.name, first, number_text(expected.type, made + first * bytes),
                          number_text(expected.type, wanted), differ, expected.count));
}

}  // namespace

void check_xray_expectations(std::string_view kernel, const Memory& memory,
                             const std::vector<std::string>& expectations, double tolerance) {
  for (const std::string& text : expectations) {
    const std::size_t equals = std::min(text.find('='), text.size());
    const auto form = std::string_view(text).substr(std::min(equals + 1, text.size()));
    const Allocation& buffer = buffer_of(memory, std::string_view(text).substr(0, equals), text);
    const auto expected = read_xray_buffer(form, "--expect");
    check<UsageError>(expected && expected->contents == XrayContents::kValues,
                      "--expect: '{}' names no buffer to compare with", text);
    check<UsageError>(expected->bytes() == buffer.bytes, "--expect: '{}' has {} bytes, {} has {}",
                      text, expected->bytes(), buffer.name, buffer.bytes);
    compare(kernel, buffer, *expected, tolerance);
  }
}

}  // namespace switchyard
