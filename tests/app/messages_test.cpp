// Messages about what is not there: the nearest name, the right option, nothing that steers a
// terminal.

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/app/app_test.h"

namespace switchyard::test {
namespace {

using nlohmann::json;

TEST(MessagesTest, ASlipIsAnsweredWithTheNearestName) {
  expect_failure({"trian"}, 2, "no command 'trian'; did you mean 'train'?");
  expect_failure({"help", "studdy"}, 2, "no command 'studdy'; did you mean 'study'?");
  expect_failure({"train", "--thread", "2"}, 2, "no option '--thread'; did you mean '--threads'?");
  expect_failure({"study", "--seed=2"}, 2, "no option '--seed=2'; did you mean '--seeds'?");
  expect_failure({"train", "--preset", "quik"}, 2, "got 'quik'; did you mean 'quick'?");
  expect_failure({"train", "--head", "soft-moe"}, 2, "did you mean 'soft_moe'?");
  expect_failure({"study", "--heads", "dense,spars_moe"}, 2, "did you mean 'sparse_moe'?");
  expect_failure({"kernels", "matmull"}, 2, "did you mean 'matmul'?");
  expect_failure({"check", "softmx_forward"}, 2, "did you mean 'softmax_forward'?");
  expect_failure({"gradcheck", "sofmax"}, 2, "did you mean 'softmax'?");
  expect_failure({"gradcheck", "relu", "--device", "smt"}, 2, "did you mean 'simt'?");
  expect_failure({"check", "fill", "--device", "cdua"}, 2, "did you mean 'cuda'?");
  expect_failure({"train", "--set", "epoch=3"}, 2, "; did you mean 'epochs'?");
  expect_failure({"train", "--set", "optimizer.rat=3"}, 2, "; did you mean 'rate'?");
  expect_failure({"study", "--set", "epochs=3"}, 2, "; did you mean 'training.epochs'?");
  expect_failure({"train", "--set", "model.head.name=\"dens\""}, 2,
                 "got 'dens'; did you mean 'dense'?");
  expect_failure({"train", "--set", "schedule.kind=one-cycle"}, 2, "; did you mean 'one_cycle'?");
  expect_failure({"study", "--set", "seed=3"}, 2, "; did you mean 'seeds'?");
  expect_failure({"hessian", "--run", "x", "--set", "image=3"}, 2, "; did you mean 'images'?");
  expect_failure({"fly"}, 2, "switchyard: no command 'fly' (");
}

TEST(MessagesTest, AFieldOfTheConfigurationIsSetBySet) {
  expect_failure({"train", "--epochs", "3"}, 2,
                 "train: no option '--epochs': it is a field of the configuration, which --set "
                 "epochs=3 sets");
  expect_failure({"train", "--epochs=3"}, 2, "--set epochs=3 sets");
  expect_failure({"train", "--top-k", "1", "--batch-size", "7"}, 2,
                 "--set model.head.top_k=1 sets");
  expect_failure({"train", "--rate"}, 2, "--set optimizer.rate=VALUE sets");
  expect_failure({"study", "--epochs", "3"}, 2, "--set training.epochs=3 sets");
  expect_failure({"hessian", "--images", "10"}, 2, "--set images=10 sets");
  expect_failure({"perturb", "--rn", "x"}, 2, "did you mean '--run'?");
  expect_failure({"perturb", "--points", "5"}, 2, "--set perturbation.points=5 sets");
}

TEST(MessagesTest, ArgumentsThatNobodyTakesAreNamedInTheirOrder) {
  expect_failure({"train", "foo", "bar"}, 2, "train: nothing takes the arguments foo bar");
  expect_failure({"train", "check"}, 2, "train: nothing takes the argument check");
  expect_failure({"--fast"}, 2, "no option '--fast'");
}

TEST(MessagesTest, TheSettingsThatHelpShowsAreAccepted) {
  for (const char* command : {"study", "hessian", "train"}) {
    const std::string help = expect_success({command, "--help"});
    const std::string mark = "for example ";
    const std::size_t begin = help.find(mark);
    ASSERT_NE(begin, std::string::npos) << help;
    const std::size_t first = begin + mark.size();
    const std::string setting = help.substr(first, help.find_first_of(", \n", first) - first);
    SCOPED_TRACE(setting);
    if (std::string(command) == "study") {
      expect_success({"study", "--print-config", "--set", setting});
    } else if (std::string(command) == "train") {  // the directory is what is wrong
      expect_failure({"train", "--set", setting, "--data", "/nowhere"}, 1, "/nowhere");
    } else {
      expect_failure({"hessian", "--set", setting, "--run", "/nowhere"}, 1, "/nowhere");
    }
  }
}

TEST(MessagesTest, AnOptionHasOneValue) {
  expect_failure({"train", "--data"}, 2, "train: --data needs a value (");
  expect_failure({"train", "--threads="}, 2, "train: --threads needs a value (");
  expect_failure({"study", "--heads", ","}, 2, "study: --heads needs a value (");
  expect_failure({"train", "--device", "cpu", "--device", "simt"}, 2,
                 "train: --device is given more than once (");
  expect_failure({"devices", "--json=no"}, 2, "devices: --json takes no value (");
}

TEST(MessagesTest, NoPathIsEmpty) {
  for (const char* option : {"--data", "--out", "--config"}) {
    expect_failure({"train", option, ""}, 2, std::string(option) + ": must not be empty");
  }
  expect_failure({"hessian", "--run", ""}, 2, "--run: must not be empty");
  expect_failure({"report", ""}, 2, "DIR: must not be empty");
}

TEST(MessagesTest, ControlCharactersOfArgumentsAreEscaped) {
  const std::string nasty = "a\x1b[31mb\nc\r\xff";
  for (const Arguments& arguments : {Arguments{nasty},
                                     {"train", nasty},
                                     {"train", "--" + nasty},
                                     {"report", nasty},
                                     {"hessian", "--run", nasty},
                                     {"kernels", nasty},
                                     {"train", "--preset", nasty},
                                     {"gradcheck", nasty},
                                     {"check", "fill", nasty},
                                     {"train", "--set", nasty},
                                     {"train", "--config", nasty},
                                     {"train", "--data", nasty},
                                     {"resources", "--write", nasty}}) {
    const ProgramResult result = run_switchyard(arguments);
    EXPECT_NE(result.exit_code, 0);
    if (result.exit_code == 77) continue;  // resources, where the program was built without nvcc
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    EXPECT_NE(result.err.find("\\x1b[31mb\\nc\\r\\xff"), std::string::npos) << result.err;
  }
}

TEST(MessagesTest, AMissingDeviceIsBadUsageForEveryCommand) {
  const json cuda = json::parse(expect_success({"devices", "--json"}))["cuda"];
  const bool is_there = cuda["available"];
  const std::string device = is_there ? "abacus" : "cuda";
  const std::string part = is_there ? "unknown device" : cuda["reason"].get<std::string>();
  for (const Arguments& command : {Arguments{"train", "--out", "nowhere"},
                                   {"study", "--out", "nowhere"},
                                   {"probe", "--model", "{\"head\": {\"name\": \"dense\"}}",
                                    "--weights", "w", "--batch", "b", "--out", "o"},
                                   {"route", "--logits", "l", "--k", "1", "--out", "o"},
                                   {"hessian", "--model", "{\"head\": {\"name\": \"dense\"}}",
                                    "--weights", "w", "--batch", "b"},
                                   {"gradcheck", "relu"},
                                   {"check", "fill"}}) {
    expect_failure(command + Arguments{"--device", device}, 2, part);
  }
}

}  // namespace
}  // namespace switchyard::test
