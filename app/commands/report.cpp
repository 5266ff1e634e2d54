#include "analysis/report/report.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <memory>

#include "app/command.h"
#include "app/output.h"

namespace switchyard {

namespace {

Action add_report(CLI::App& command) {
  command.footer(
      "Writes DIR/report.html from study.json and the files of each run. The page loads nothing "
      "from\n"
      "anywhere. It can be written again at any time.");
  const auto directory = std::make_shared<std::string>();
  command.add_option("DIR", *directory, "The directory of a study or of a run")
      ->type_name("DIR")
      ->option_text("REQUIRED")
      ->required();
  return [=] {
    write_report(*directory);
    const std::string page = (std::filesystem::path(*directory) / "report.html").string();
    if (json_wanted()) {
      print_json({{"report", page}});
    } else {
      print_text("{}\n", page);
    }
    return kSuccess;
  };
}

const CommandRegistration kReport({Command::Group::kStudies, "report",
                                   "Write the page report.html about a study or a single run",
                                   add_report});

}  // namespace
}  // namespace switchyard
