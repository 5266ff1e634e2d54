// --json means one JSON document on stdout, whatever happens.

#include <signal.h>

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/app/app_test.h"

namespace switchyard::test {
namespace {

using nlohmann::json;

const std::vector<std::string> kCommands = {
    "study", "train", "hessian", "perturb", "probe",     "route",   "gradcheck", "kernels", "check",
    "help",  "fetch", "report",  "devices", "resources", "version", "graph",     "diff"};

/// The document of a command that fails, which the line on stderr repeats.
json failure(const Arguments& arguments, int code) {
  SCOPED_TRACE(fmt::format("switchyard {}", fmt::join(arguments, " ")));
  const ProgramResult result = run_switchyard(arguments);
  EXPECT_EQ(result.exit_code, code);
  const json document = json::parse(result.out, nullptr, /*allow_exceptions=*/false);
  EXPECT_TRUE(document.is_object()) << result.out;
  if (!document.is_object()) return {};
  EXPECT_EQ(document["exit_code"], code);
  EXPECT_EQ("switchyard: " + document["error"].get<std::string>() + "\n", result.err);
  return document;
}

TEST(JsonOutputTest, EveryErrorIsADocument) {
  failure({"--json", "--fast"}, 2);
  failure({"fly", "--json"}, 2);
  for (const std::string& command : kCommands) failure({command, "--json", "--fast"}, 2);
  failure({"train", "--json", "--threads", "0"}, 2);
  failure({"train", "--json", "--set", "epochs=0"}, 2);
  failure({"train", "--json", "--data", "/nowhere"}, 1);
  failure({"study", "--json", "--set", "seeds=0"}, 2);
  failure({"hessian", "--json", "--run", "/nowhere"}, 1);
  failure({"perturb", "--json", "--run", "/nowhere"}, 1);
  failure({"report", "--json", "/nowhere"}, 1);
  failure({"kernels", "--json", "a\x1b\xff"}, 2);
  failure({"gradcheck", "--json", "nothing"}, 2);
  failure({"check", "--json", "fill", "--device", "abacus"}, 2);
  failure({"resources", "--json", "--compare", "/nowhere"}, 1);
}

TEST(JsonOutputTest, HelpIsADocument) {
  for (const std::string& command : kCommands) {
    const json help = json::parse(expect_success({command, "--json", "--help"}));
    EXPECT_NE(help["help"].get<std::string>().find(command), std::string::npos);
  }
}

/// A check of which nothing ran prints its rows and fails: still one document.
TEST(JsonOutputTest, ACheckThatRefusesEverythingIsOneDocument) {
  const ProgramResult result = run_switchyard(
      {"check", "--json", "matmul", "m=5", "n=5", "k=5", "--variant", "matmul_register_tile_wide"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_TRUE(json::accept(result.out)) << result.out;
}

class JsonFileTest : public AppTest {};

TEST_F(JsonFileTest, TrainingThatIsStoppedIsADocument) {
  Program program(switchyard_command(
      train("run") + Arguments{"--json", "--set", "epochs=1000", "--set", "batch_size=4"}));
  while (!std::filesystem::exists(path("run/config.json"))) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  program.signal(SIGINT);
  const ProgramResult result = program.wait();
  EXPECT_EQ(result.exit_code, 130);
  EXPECT_EQ(json::parse(result.out)["exit_code"], 130) << result.out;
}

}  // namespace
}  // namespace switchyard::test
