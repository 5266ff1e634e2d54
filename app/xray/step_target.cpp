#include <fmt/format.h>

#include <algorithm>

#include "analysis/moe_bench/counts.h"
#include "app/settings_options.h"
#include "app/xray/targets.h"
#include "data/identity.h"
#include "engine/core/check.h"
#include "engine/core/suggest.h"
#include "kernels/api/temporary_directory.h"
#include "training/presets.h"
#include "training/trainer.h"

namespace switchyard {
namespace {

/// "step:tiny/sparse_moe" -> the preset's configuration with that head.
TrainConfig config_of(const XrayTarget& target) {
  const std::string model = target.name.substr(target.name.find(':') + 1);
  const std::size_t slash = std::min(model.find('/'), model.size());
  const std::string preset = model.substr(0, slash);
  const std::vector<std::string>& presets = preset_names();
  check<UsageError>(std::find(presets.begin(), presets.end(), preset) != presets.end(),
                    "xray: no preset '{}'{} (there are: {})", preset, did_you_mean(preset, presets),
                    fmt::join(presets, ", "));
  TrainConfig config = training_preset(preset);
  if (slash < model.size()) {
    const std::string head = model.substr(slash + 1);
    const std::vector<std::string>& heads = head_names();
    check<UsageError>(std::find(heads.begin(), heads.end(), head) != heads.end(),
                      "xray: no head '{}'{} (there are: {})", head, did_you_mean(head, heads),
                      fmt::join(heads, ", "));
    config.model.head.name = head;
  }
  config.device = "cuda";
  config.batch_size = target.batch;
  config.seed = target.seed;
  config.data.validation = target.batch;
  config.data.train_limit = 0;
  config.data.augment = false;
  if (!target.dtype.empty()) config.dtype = parse_dtype(target.dtype);
  return config;
}

/// Uniform noise with labels in turn.
ImageDataset noise(std::int64_t count, std::uint64_t seed) {
  ImageDataset data;
  data.name = "noise";
  data.images = Tensor::empty({count, 32, 32, 3}, DType::kUInt8);
  data.labels = Tensor::empty({count}, DType::kInt64);
  const Generator random(seed);
  auto* const pixels = data.images.data<std::uint8_t>();
  const auto bytes = static_cast<std::uint64_t>(data.images.numel());
  for (std::uint64_t i = 0; i < bytes; ++i) {
    pixels[i] = static_cast<std::uint8_t>(random.block(i / 4)[i % 4]);
  }
  data.classes = 10;
  for (std::int64_t i = 0; i < count; ++i) data.labels.data<std::int64_t>()[i] = i % data.classes;
  for (std::int64_t i = 0; i < data.classes; ++i) data.class_names.push_back(std::to_string(i));
  data.mean = {0.5, 0.5, 0.5};
  data.deviation = {0.29, 0.29, 0.29};
  return data;
}

}  // namespace

XrayRun xray_step(XrayMachine& machine, const XrayTarget& target) {
  const TrainConfig config = config_of(target);
  XrayRun run{.name = fmt::format("{} {} batch={}", target.name, name(config.dtype), target.batch),
              .about = {{"dtype", name(config.dtype)}, {"sizes", {{"batch", target.batch}}}}};
  const TemporaryDirectory directory;
  const DatasetPair data = {noise(5 * target.batch, target.seed), noise(target.batch, 2)};
  const RunDirectory files = RunDirectory::create(DirectoryOwner::create(directory.path() / "run"),
                                                  config, identify(data));
  // The first step also makes what later ones find, and is the one whose declared work is added up:
  // the third is like the second, in which a profile would wait after every kernel.
  int steps = 0;
  const auto after_step = [&](const StepProgress&) {
    ++steps;
    if (steps == 1) {
      kernels::start_profile(true);
    } else if (steps == 2) {
      kernels::stop_profile();
      const moe_bench::Counts counts = moe_bench::counts_of(kernels::profile(), 0.0);
      run.compulsory = {.bytes = counts.bytes, .flops = counts.flops};
      machine.begin("training step");
    } else {
      machine.end();
    }
  };
  Trainer trainer(files, data, {.step = after_step});
  trainer.run([&] { return steps == 3; });
  synchronise(Device::kCuda);
  run.recording = machine.take();
  return run;
}

}  // namespace switchyard
