#include "analysis/xray/page.h"

#include <nlohmann/json.hpp>

#include "analysis/report/assets.h"
#include "analysis/report/report.h"
#include "analysis/xray/assets.h"

namespace switchyard::xray {
namespace {

using nlohmann::json;

std::string title(const json& document) {
  return "X-ray of " + document.at("target").at("name").get<std::string>();
}

std::string render(const json& document) {
  return render_page(
      title(document), document,
      {report_assets::figures_js, xray_assets::xray_document_js, xray_assets::xray_figures_js,
       xray_assets::xray_film_js, xray_assets::xray_source_js, xray_assets::xray_xray_js},
      xray_assets::xray_xray_css);
}

template <class Body>
void for_launches(json& document, const Body& body) {
  for (json& run : document.at("ladder")) {
    for (json& launch : run.at("launches")) body(launch);
  }
}

}  // namespace

std::string page(json document) {
  std::string text = render(document);
  if (text.size() <= kLargePage) return text;
  for_launches(document, [](json& launch) { launch.erase("film"); });
  document["left_out"] = "films";
  text = render(document);
  if (text.size() <= kLargePage) return text;
  for_launches(document, [](json& launch) {
    for (json& line : launch.at("lines")) line.erase("ptx");
  });
  document["left_out"] = "films and PTX";
  return render(document);
}

}  // namespace switchyard::xray
