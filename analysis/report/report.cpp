#include "analysis/report/report.h"

#include <nlohmann/json.hpp>
#include <string_view>

#include "analysis/report/assets.h"
#include "analysis/report/fill_page.h"
#include "analysis/report/study_files.h"
#include "analysis/verdicts/claims.h"
#include "analysis/verdicts/model_groups.h"
#include "analysis/verdicts/routed_share.h"
#include "engine/io/files.h"

namespace switchyard {
namespace fs = std::filesystem;

std::string render_page(std::string_view title, const nlohmann::json& data,
                        const std::vector<std::string_view>& build, std::string_view style) {
  const std::string styles = std::string(report_assets::style_css) + std::string(style);
  std::string scripts;
  for (const std::string_view script : build) scripts += std::string(script) + "\n";
  return fill_page(report_assets::template_html, title, data,
                   {{"style", styles},
                    {"d3", report_assets::d3_js},
                    {"statistics", report_assets::statistics_js},
                    {"charts", report_assets::charts_js},
                    {"build", scripts},
                    {"start", report_assets::start_js}});
}

std::string render_report(const nlohmann::json& study) {
  nlohmann::json data = study;
  data["models"] = models_json(group_runs(study));
  data["verdicts"] = verdicts_json(judge_claims(study));
  data["routed_share"] = routed_share_json(study);
  return render_page(study.at("study").at("title").get<std::string>(), data,
                     {report_assets::figures_js, report_assets::surfaces_js,
                      report_assets::verdicts_js, report_assets::gain_js, report_assets::spectra_js,
                      report_assets::rho_js, report_assets::report_js});
}

void write_report(const fs::path& study_dir) {
  write_file_atomic(study_dir / "report.html", render_report(read_study(study_dir)));
}

}  // namespace switchyard
