#include "training/train_config.h"

#include <cmath>

#include "engine/core/device.h"
#include "engine/core/on_device.h"
#include "engine/core/threads.h"
#include "engine/io/json.h"
#include "engine/nn/schedule.h"

namespace switchyard {
namespace {

using nlohmann::json;

/// Reads a number for which `holds`; `condition` says so in the message.
template <class Predicate>
double number_from(JsonObject& object, const std::string& field, double otherwise,
                   Predicate&& holds, std::string_view condition) {
  const auto value = object.optional<double>(field, otherwise);
  if (!std::isfinite(value) || !holds(value)) {
    object.fail(field, fmt::format("must be {}, got {}", condition, value));
  }
  return value;
}

bool is_positive(double x) { return x > 0.0; }
bool is_fraction(double x) { return x >= 0.0 && x < 1.0; }

DataConfig parse_data(JsonObject object) {
  DataConfig data;
  data.set = object.optional<std::string>("set", data.set);
  data.augment = object.optional<bool>("augment", data.augment);
  data.validation = object.bounded_or("validation", data.validation, 1, kMaxImages);
  data.train_limit = object.bounded_or("train_limit", data.train_limit, 0, kMaxImages);
  data.test_limit = object.bounded_or("test_limit", data.test_limit, 0, kMaxImages);
  object.finish();
  return data;
}

OptimizerConfig parse_optimizer(JsonObject object) {
  OptimizerConfig optimizer;
  optimizer.rate = number_from(object, "rate", optimizer.rate, is_positive, "positive");
  optimizer.momentum =
      number_from(object, "momentum", optimizer.momentum, is_fraction, "in [0, 1)");
  optimizer.weight_decay = number_from(
      object, "weight_decay", optimizer.weight_decay, [](double x) { return x >= 0.0; },
      "at least 0");
  object.finish();
  return optimizer;
}

void parse_multi_step(JsonObject& object, ScheduleConfig& schedule) {
  schedule.milestones =
      object.optional<std::vector<std::int64_t>>("milestones", schedule.milestones);
  std::int64_t previous = 0;
  for (const std::int64_t milestone : schedule.milestones) {
    if (milestone <= previous || milestone > kMaxEpochs) {
      object.fail("milestones",
                  fmt::format("must be positive, ascending and at most {}", kMaxEpochs));
    }
    previous = milestone;
  }
  schedule.factor = number_from(object, "factor", schedule.factor, is_positive, "positive");
}

void parse_one_cycle(JsonObject& object, ScheduleConfig& schedule) {
  const auto at_least_one = [](double x) { return x >= 1.0; };
  schedule.warmup_fraction = number_from(
      object, "warmup_fraction", schedule.warmup_fraction,
      [](double x) { return x > 0.0 && x < 1.0; }, "in (0, 1)");
  schedule.start_divisor =
      number_from(object, "start_divisor", schedule.start_divisor, at_least_one, "at least 1");
  schedule.final_divisor =
      number_from(object, "final_divisor", schedule.final_divisor, at_least_one, "at least 1");
  schedule.anneal = object.choice("anneal", schedule.anneal, {"cosine", "linear"});
}

ScheduleConfig parse_schedule(JsonObject object) {
  ScheduleConfig schedule;
  schedule.kind = object.choice("kind", schedule.kind, {"multi_step", "one_cycle"});
  if (schedule.kind == "multi_step") parse_multi_step(object, schedule);
  if (schedule.kind == "one_cycle") parse_one_cycle(object, schedule);
  object.finish();
  return schedule;
}

DType parse_training_dtype(JsonObject& object) {
  return parse_dtype(object.choice("dtype", "float32", {"float32", "float64", "bfloat16"}));
}

json schedule_json(const ScheduleConfig& schedule) {
  if (schedule.kind == "multi_step") {
    return {
        {"kind", schedule.kind}, {"milestones", schedule.milestones}, {"factor", schedule.factor}};
  }
  return {{"kind", schedule.kind},
          {"warmup_fraction", schedule.warmup_fraction},
          {"start_divisor", schedule.start_divisor},
          {"final_divisor", schedule.final_divisor},
          {"anneal", schedule.anneal}};
}

}  // namespace

TrainConfig parse_train_config(const json& value, const std::string& where) {
  JsonObject object(value, where);
  TrainConfig config;
  JsonObject model = object.optional_object("model");
  if (object.has("model")) config.model = parse_model_config(std::move(model));
  config.data = parse_data(object.optional_object("data"));
  config.batch_size = object.bounded_or("batch_size", config.batch_size, 1, kMaxBatchSize);
  config.evaluation_batch_size =
      object.bounded_or("evaluation_batch_size", config.evaluation_batch_size, 1, kMaxBatchSize);
  config.epochs = object.bounded_or("epochs", config.epochs, 1, kMaxEpochs);
  config.optimizer = parse_optimizer(object.optional_object("optimizer"));
  config.schedule = parse_schedule(object.optional_object("schedule"));
  config.seed = object.optional<std::uint64_t>("seed", config.seed);
  config.dtype = parse_training_dtype(object);
  config.device = object.optional<std::string>("device", config.device);
  config.conv = object.optional<std::string>("conv", config.conv);
  config.threads = object.bounded_or("threads", config.threads, 0, kMaxThreads);
  config.reproducible = object.optional<bool>("reproducible", config.reproducible);
  object.finish([] { return to_json(TrainConfig{}); });
  return config;
}

json to_json(const TrainConfig& config) {
  return {{"model", to_json(config.model)},
          {"data",
           {{"set", config.data.set},
            {"augment", config.data.augment},
            {"validation", config.data.validation},
            {"train_limit", config.data.train_limit},
            {"test_limit", config.data.test_limit}}},
          {"batch_size", config.batch_size},
          {"evaluation_batch_size", config.evaluation_batch_size},
          {"epochs", config.epochs},
          {"optimizer",
           {{"rate", config.optimizer.rate},
            {"momentum", config.optimizer.momentum},
            {"weight_decay", config.optimizer.weight_decay}}},
          {"schedule", schedule_json(config.schedule)},
          {"seed", config.seed},
          {"dtype", name(config.dtype)},
          {"device", config.device},
          {"conv", config.conv},
          {"threads", config.threads},
          {"reproducible", config.reproducible}};
}

double learning_rate(const TrainConfig& config, std::int64_t epoch, std::int64_t step,
                     std::int64_t steps_per_epoch) {
  const ScheduleConfig& schedule = config.schedule;
  if (schedule.kind == "multi_step") {
    return nn::multi_step_rate(config.optimizer.rate, schedule.milestones, schedule.factor, epoch);
  }
  const nn::OneCycle cycle{
      .peak = config.optimizer.rate,
      .steps = config.epochs * steps_per_epoch,
      .warmup_fraction = schedule.warmup_fraction,
      .start_divisor = schedule.start_divisor,
      .final_divisor = schedule.final_divisor,
      .anneal = schedule.anneal == "linear" ? nn::Anneal::kLinear : nn::Anneal::kCosine};
  return nn::one_cycle_rate(cycle, epoch * steps_per_epoch + step);
}

int apply_execution(const TrainConfig& config) {
  choose_convolutions(parse_device(config.device), config.conv);
  if (config.threads > 0) set_thread_count(config.threads);
  cpu_executor().reproducible = config.reproducible;
  return thread_count();
}

}  // namespace switchyard
