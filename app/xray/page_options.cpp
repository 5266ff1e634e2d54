#include "app/xray/page_options.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "analysis/xray/page.h"
#include "app/option_values.h"
#include "app/xray/details.h"
#include "app/xray/shape.h"
#include "engine/io/files.h"

namespace switchyard {

void add_xray_page_options(CLI::App& command, XrayPageOptions& options) {
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
  return kernels::xray::FilmOptions{
      .block = parse_extent("--film-block", options.film_block, {}, 0), .warp = options.film_warp};
}

void write_xray_page(const std::string& html, nlohmann::json document,
                     const std::vector<XrayRun>& runs, const std::filesystem::path& ptx) {
  for (std::size_t i = 0; i < runs.size(); ++i) {
    nlohmann::json& launches = document["ladder"][i]["launches"];
    for (std::size_t j = 0; j < launches.size(); ++j) {
      add_xray_details(launches[j], runs[i].recording.launches[j]);
    }
  }
  document["sources"] = xray_sources(document, ptx);
  write_file_atomic(html, xray::page(std::move(document)));
}

}  // namespace switchyard
