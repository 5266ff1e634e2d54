#include "analysis/report/report.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <memory>

#include "app/command.h"

namespace switchyard {

namespace {

Action add_report(CLI::App& command) {
  command.footer(
      "The page is self-contained: it loads nothing from anywhere. It is written from study.json "
      "and the\nfiles of each run, and may be written again at any time.");
  const auto directory = std::make_shared<std::string>();
  command.add_option("DIR", *directory, "Study directory, or a run directory")->required();
  return [=] {
    write_report(*directory);
    fmt::print("{}/report.html\n", *directory);
    return kSuccess;
  };
}

const CommandRegistration kReport({Command::Group::kStudies, "report",
                                   "Write report.html of a study or of a single run", add_report});

}  // namespace
}  // namespace switchyard
