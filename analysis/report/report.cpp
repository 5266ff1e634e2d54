#include "analysis/report/report.h"

#include <map>
#include <nlohmann/json.hpp>
#include <string_view>

#include "analysis/report/assets.h"
#include "analysis/report/study_files.h"
#include "analysis/verdicts/claims.h"
#include "engine/core/check.h"
#include "engine/io/files.h"

namespace switchyard {
namespace {

namespace fs = std::filesystem;

/// JSON that may stand inside <script type="application/json">: without '<' nothing in it can end
/// the element or open a comment. Invalid UTF-8 becomes U+FFFD, non-finite numbers null.
std::string script_json(const nlohmann::json& value) {
  const std::string text = value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  std::string escaped;
  escaped.reserve(text.size());
  for (const char c : text) {
    if (c == '<') {
      escaped += "\\u003c";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

/// Text for an HTML element's content or a quoted attribute.
std::string html_text(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

/// Replaces every `{{name}}` of `text` in one pass, so that a value is never searched for marks.
std::string fill_template(std::string_view text,
                          const std::map<std::string_view, std::string_view>& values) {
  std::string page;
  for (;;) {
    const size_t open = text.find("{{");
    page += text.substr(0, open);
    if (open == std::string_view::npos) return page;
    const size_t close = text.find("}}", open);
    check(close != std::string_view::npos, "report template: '{{{{' without '}}}}'");
    const std::string_view name = text.substr(open + 2, close - open - 2);
    const auto value = values.find(name);
    check(value != values.end(), "report template: no value for '{}'", name);
    page += value->second;
    text.remove_prefix(close + 2);
  }
}

}  // namespace

std::string render_page(std::string_view title, const nlohmann::json& data,
                        const std::vector<std::string_view>& build) {
  std::string scripts;
  for (const std::string_view script : build) scripts += std::string(script) + "\n";
  const std::string text = script_json(data);
  const std::string heading = html_text(title);
  return fill_template(report_assets::template_html, {{"title", heading},
                                                      {"style", report_assets::style_css},
                                                      {"d3", report_assets::d3_js},
                                                      {"statistics", report_assets::statistics_js},
                                                      {"charts", report_assets::charts_js},
                                                      {"build", scripts},
                                                      {"start", report_assets::start_js},
                                                      {"data", text}});
}

std::string render_report(const nlohmann::json& study) {
  nlohmann::json data = study;
  data["verdicts"] = verdicts_json(judge_claims(study));
  return render_page(study.at("study").at("title").get<std::string>(), data,
                     {report_assets::figures_js, report_assets::verdicts_js, report_assets::gain_js,
                      report_assets::report_js});
}

void write_report(const fs::path& study_dir) {
  write_file_atomic(study_dir / "report.html", render_report(read_study(study_dir)));
}

}  // namespace switchyard
