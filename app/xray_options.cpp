#include "app/xray_options.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "analysis/xray/page.h"
#include "app/option_values.h"
#include "app/xray_details.h"
#include "engine/core/check.h"
#include "engine/io/files.h"
#include "kernels/workbench/resources.h"
#include "kernels/xray/compile.h"

namespace switchyard {
namespace {

/// Says what is wrong with the name of an architecture; empty if nothing is.
std::string architecture_problem(const std::string& text) {
  const std::string digits = text.starts_with("sm_") ? text.substr(3) : "";
  const bool is_number =
      !digits.empty() &&
      std::all_of(digits.begin(), digits.end() - 1, [](char c) { return c >= '0' && c <= '9'; });
  const char last = digits.empty() ? ' ' : digits.back();
  const bool may_end = (last >= '0' && last <= '9') || (digits.size() > 1 && last == 'a');
  if (is_number && may_end) return "";
  return "expected an architecture such as sm_80, got '" + text + "'";
}

}  // namespace

kernels::Dim3 parse_extent(const std::string& option, const std::string& text, unsigned least) {
  unsigned parts[3] = {least, least, least};
  std::string_view rest = text;
  for (int i = 0; i < 3; ++i) {
    const std::string_view part = rest.substr(0, rest.find(','));
    const auto value = parse_whole_number(part);
    check<UsageError>(value && *value >= least && *value <= 2147483647,
                      "{}: expected X, X,Y or X,Y,Z of numbers from {} to 2147483647, got '{}'",
                      option, least, text);
    parts[i] = static_cast<unsigned>(*value);
    rest.remove_prefix(part.size());
    if (rest.empty()) return {parts[0], parts[1], parts[2]};
    rest.remove_prefix(1);
  }
  throw UsageError(fmt::format("{}: has more than three parts: '{}'", option, text));
}

void add_architecture_option(CLI::App& command, std::string& architecture) {
  command
      .add_option("--arch", architecture, "Compile FILE.cu for this architecture, by NVRTC or nvcc")
      ->type_name("sm_NUMBER")
      ->check(CLI::Validator([](std::string& text) { return architecture_problem(text); }, ""))
      ->capture_default_str();
}

std::string read_ptx(const std::string& file, const std::string& architecture) {
  const bool is_source = file.ends_with(".cu");
  check<UsageError>(is_source || file.ends_with(".ptx"), "{}: expected a .cu or a .ptx file", file);
  const std::string text = read_file(file);
  return is_source ? kernels::xray::compile_cuda(text, file, architecture) : text;
}

void add_page_options(CLI::App& command, XrayPageOptions& options) {
  CLI::Option* const html =
      command
          .add_option("--html", options.html,
                      "Write a page: the source with what each line costs, its PTX, and a film of "
                      "one warp's accesses")
          ->type_name("FILE");
  command.add_option("--film-block", options.film_block, "Film a warp of this block, from 0")
      ->type_name("X,Y,Z")
      ->needs(html)
      ->capture_default_str();
  command.add_option("--film-warp", options.film_warp, "Film this warp of the block, from 0")
      ->type_name("N")
      ->needs(html)
      ->check(whole_number(0, std::numeric_limits<std::uint32_t>::max()))
      ->capture_default_str();
}

std::optional<kernels::xray::FilmOptions> film_options(const XrayPageOptions& options) {
  if (options.html.empty()) return std::nullopt;
  return kernels::xray::FilmOptions{.block = parse_extent("--film-block", options.film_block, 0),
                                    .warp = options.film_warp};
}

void write_xray_page(const XrayPageOptions& options, const std::string& file,
                     const kernels::xray::LaunchReport& report, const std::vector<XrayLine>& lines,
                     bool checked) {
  const std::string name = kernels::workbench::short_kernel_name(report.kernel);
  nlohmann::json launch = xray_json(report, lines);
  launch["name"] = name;
  add_xray_details(launch, report);
  nlohmann::json document = {{"target", {{"kind", "file"}, {"name", name}}}, {"checked", checked}};
  nlohmann::json run = {{"name", name}, {"total", launch["total"]}};
  run["launches"] = nlohmann::json::array({std::move(launch)});
  document["ladder"] = nlohmann::json::array({std::move(run)});
  document["sources"] = xray_sources(document, file);
  write_file_atomic(options.html, xray::page(std::move(document)));
}

}  // namespace switchyard
