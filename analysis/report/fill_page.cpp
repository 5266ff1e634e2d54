#include "analysis/report/fill_page.h"

#include <nlohmann/json.hpp>

#include "engine/core/check.h"

namespace switchyard {
namespace {

/// What begins the head of every page. The policy forbids it to load anything.
constexpr std::string_view kHead =
    R"(<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<meta name="generator" content="Switchyard">)";

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
    check(close != std::string_view::npos, "page template: '{{{{' without '}}}}'");
    const std::string_view name = text.substr(open + 2, close - open - 2);
    const auto value = values.find(name);
    check(value != values.end(), "page template: no value for '{}'", name);
    page += value->second;
    text.remove_prefix(close + 2);
  }
}

}  // namespace

std::string fill_page(std::string_view page, std::string_view title, const nlohmann::json& data,
                      std::map<std::string_view, std::string_view> parts) {
  const std::string text = script_json(data);
  const std::string heading = html_text(title);
  parts["head"] = kHead;
  parts["title"] = heading;
  parts["data"] = text;
  return fill_template(page, parts);
}

}  // namespace switchyard
