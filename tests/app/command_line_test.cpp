#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/app/app_test.h"

namespace switchyard::test {
namespace {

using nlohmann::json;

const std::vector<std::string> kCommands = {
    "study", "train", "hessian", "perturb", "probe",     "route",   "gradcheck", "kernels", "check",
    "help",  "fetch", "report",  "devices", "resources", "version", "graph",     "diff"};

TEST(CommandLineTest, EveryCommandHasHelp) {
  const std::string overview = expect_success({"--help"});
  for (const std::string& command : kCommands) {
    EXPECT_NE(overview.find("\n  " + command + " "), std::string::npos) << command;
    const std::string help = expect_success({command, "--help"});
    EXPECT_NE(help.find("Usage: switchyard " + command), std::string::npos) << help;
    EXPECT_NE(help.find("--json"), std::string::npos) << help;
    EXPECT_EQ(expect_success({"help", command}), help);
  }
  EXPECT_EQ(expect_success({}), overview);
  EXPECT_EQ(expect_success({"help"}), overview);
}

/// Lines that are wider than a terminal of 100 columns are hard to read.
TEST(CommandLineTest, HelpFitsATerminal) {
  for (const std::string& command : kCommands) {
    std::istringstream help(expect_success({command, "--help"}));
    for (std::string line; std::getline(help, line);) EXPECT_LE(line.size(), 120U) << line;
  }
}

/// Commands that compute take the same options for it.
TEST(CommandLineTest, EveryCommandThatComputesTakesTheDevice) {
  for (const char* command :
       {"study", "train", "hessian", "perturb", "probe", "route", "gradcheck", "check", "graph"}) {
    const std::string help = expect_success({command, "--help"});
    for (const char* option : {"--device", "--conv", "--threads"}) {
      EXPECT_NE(help.find(option), std::string::npos) << command << " " << option;
    }
  }
}

TEST(CommandLineTest, BadUsageIsOneLineAndExitCodeTwo) {
  expect_failure({"fly"}, 2, "no command 'fly' ('switchyard --help' lists the commands)");
  expect_failure({"--fast"}, 2, "no option '--fast' ('switchyard --help' lists the commands)");
  expect_failure({"train", "--fast"}, 2,
                 "train: no option '--fast' ('switchyard train --help' lists the options)");
  expect_failure({"train", "--threads", "0"}, 2, "--threads");
  expect_failure({"train", "--threads", "many"}, 2, "--threads");
  expect_failure({"study", "--heads", "dense,tall"}, 2, "tall");
  expect_failure({"study", "--preset", "huge"}, 2, "huge");
  expect_failure({"study", "--seeds", "0"}, 2, "--seeds: must be at least 1, got 0");
  expect_failure({"train", "--threads", "-1"}, 2, "--threads: must be at least 1, got -1");
  expect_failure({"gradcheck", "--tolerance", "nan"}, 2, "--tolerance: must be above 0, got nan");
  expect_failure({"perturb"}, 2, "--run is required");
  expect_failure({"hessian"}, 2, "give either --run, or --model, --weights and --batch");
  expect_failure({"hessian", "--model", "{}"}, 2, "--weights");
  expect_failure({"hessian", "--run", "x", "--model", "{}"}, 2, "excludes");
  expect_failure({"probe", "--dtype", "int8"}, 2, "--dtype");
  expect_failure({"gradcheck", "divide_by_zero"}, 2, "no operation 'divide_by_zero'");
}

TEST(CommandLineTest, VersionNamesTheMachineAndTheDevices) {
  EXPECT_TRUE(expect_success({"--version"}).starts_with("0."));
  const json version = json::parse(expect_success({"version", "--json"}));
  EXPECT_EQ(version["devices"][0], "cpu");
  EXPECT_GE(version["cores"], 1);
  EXPECT_GE(version["memory_bytes"], 1 << 20);
  for (const char* text : {"cpu", "os", "compiler", "onednn", "version"}) {
    EXPECT_FALSE(version[text].get<std::string>().empty()) << text;
  }
}

TEST(CommandLineTest, GradcheckPassesAndFails) {
  const json rows = json::parse(expect_success({"gradcheck", "softmax", "--json"}));
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0]["operation"], "softmax");
  EXPECT_TRUE(rows[0]["passed"]);
  EXPECT_GT(rows[0]["error"], 0.0);
  const ProgramResult strict = run_switchyard({"gradcheck", "softmax", "--tolerance", "1e-300"});
  EXPECT_EQ(strict.exit_code, 1);
  EXPECT_NE(strict.out.find("BAD"), std::string::npos);
}

TEST(CommandLineTest, PresetsCanBePrintedAndFedBack) {
  const TemporaryDirectory scratch;
  const std::string config = expect_success({"study", "--preset", "paper", "--print-config"});
  const json paper = json::parse(config);
  EXPECT_EQ(paper["training"]["epochs"], 50);
  EXPECT_EQ(paper["heads"].size(), 3U);
  const std::string file = (scratch / "config.json").string();
  write_bytes(file, config);
  EXPECT_EQ(json::parse(expect_success({"study", "--config", file, "--print-config"})), paper);

  const json changed = json::parse(expect_success(
      {"study", "--preset", "paper", "--print-config", "--heads", "hard_moe,dense", "--seeds", "4",
       "--augment", "--set", "analysis.images=7", "--set", "training.optimizer.rate=0.5"}));
  EXPECT_EQ(changed["heads"][0]["name"], "hard_moe");
  EXPECT_EQ(changed["heads"].size(), 2U);
  EXPECT_EQ(changed["seeds"], 4);
  EXPECT_EQ(changed["analysis"]["images"], 7);
  EXPECT_EQ(changed["training"]["optimizer"]["rate"], 0.5);
  EXPECT_EQ(changed["training"]["data"]["augment"], true);
  const auto augments = [](const Arguments& more) {
    const Arguments print = {"study", "--preset", "tiny", "--print-config"};
    return json::parse(expect_success(print + more))["training"]["data"]["augment"].get<bool>();
  };
  EXPECT_TRUE(augments({}));
  EXPECT_FALSE(augments({"--no-augment"}));
}

}  // namespace
}  // namespace switchyard::test
