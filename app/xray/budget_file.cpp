#include "app/xray/budget_file.h"

#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "analysis/xray/budget.h"
#include "app/command.h"
#include "app/nvcc_version.h"
#include "app/output.h"
#include "engine/core/check.h"
#include "engine/io/files.h"

namespace switchyard {
namespace {

namespace fs = std::filesystem;

fs::path tables_of(fs::path file) { return file.replace_extension(".md"); }

int say(const nlohmann::json& document, const std::string& text, int code) {
  if (json_wanted()) {
    print_json(document);
  } else {
    print_text("{}\n", text);
  }
  return code;
}

}  // namespace

int compare_with_budget(const nlohmann::json& document, const fs::path& file) {
  const xray::Budget budget = xray::read_budget(file);
  if (budget.toolkit != kNvccVersion) {
    const std::string reason = fmt::format("{} is of nvcc {}, this build of {}", file.string(),
                                           budget.toolkit, kNvccVersion);
    return say({{"skipped", reason}}, "switchyard: xray: skipped: " + reason, kOtherCompiler);
  }
  const std::vector<std::string> lines = xray::excesses(document, budget);
  if (!lines.empty()) {
    if (!json_wanted()) print_text("{}\n", fmt::join(lines, "\n"));
    throw Error(fmt::format("xray: {}{}; if that is meant: switchyard xray {} --write-budget {}",
                            lines.front(),
                            lines.size() > 1 ? fmt::format(", and {} more", lines.size() - 1) : "",
                            budget.target, file.string()));
  }
  const fs::path tables = tables_of(file);
  check(!path_exists(tables) || read_file(tables) == xray::to_markdown(budget),
        "{}: it is not of {}: write both with --write-budget", tables.string(), file.string());
  const std::size_t runs = document["ladder"].size();
  return say({{"runs", runs}, {"exceeded", 0}},
             fmt::format("{} runs, none beyond {}", runs, file.string()), kSuccess);
}

int write_budget(const nlohmann::json& document, const fs::path& file) {
  check<UsageError>(file.extension() == ".json", "--write-budget: expected FILE.json, got {}",
                    file.string());
  const xray::Budget budget = xray::budget_of(document, kNvccVersion);
  write_file_atomic(file, xray::to_json_lines(budget));
  write_file_atomic(tables_of(file), xray::to_markdown(budget));
  return say({{"runs", budget.runs.size()}, {"written", file.string()}},
             fmt::format("{} runs in {} and .md", budget.runs.size(), file.string()), kSuccess);
}

}  // namespace switchyard
