#include "training/checkpoint.h"

#include <algorithm>

#include "engine/io/json.h"
#include "engine/io/safetensors.h"
#include "training/train_config.h"

namespace switchyard {
namespace {

using nlohmann::json;

constexpr const char* kStateEntry = "training";
constexpr std::string_view kOptimizerPrefixes[] = {"momentum.", "master."};  // nn::Sgd::state()

json to_json(const TrainingState& state) {
  json object = {{"finished_epochs", state.finished_epochs},
                 {"step", state.step},
                 {"random", {{"seed", state.random.seed}, {"offset", state.random.offset}}},
                 {"best_epoch", state.best_epoch},
                 {"best_validation_accuracy", state.best_validation_accuracy}};
  if (state.step > 0) {  // otherwise all zero; wall time would make equal checkpoints differ
    object["under_way"] = {{"images", state.sums.images},
                           {"correct", state.sums.correct},
                           {"cross_entropy", state.sums.cross_entropy},
                           {"balance_loss", state.sums.balance_loss},
                           {"seconds", state.epoch_seconds}};
    if (state.gate.rows > 0) {
      object["under_way"]["gate"] = {{"rows", state.gate.rows},
                                     {"probability", state.gate.probability},
                                     {"assignments", state.gate.assignments},
                                     {"entropy", state.gate.entropy}};
    }
  }
  return object;
}

/// The sums of the epoch under way.
void parse_under_way(JsonObject object, TrainingState& state) {
  state.sums.images = object.bounded<std::int64_t>("images", 0, kMaxImages);
  state.sums.correct = object.bounded<std::int64_t>("correct", 0, state.sums.images);
  state.sums.cross_entropy = object.required<double>("cross_entropy");
  state.sums.balance_loss = object.required<double>("balance_loss");
  state.epoch_seconds = object.required<double>("seconds");
  if (object.has("gate")) {
    JsonObject gate = object.object("gate");
    // Before there were gates over patches, every row was an image.
    state.gate = {gate.optional<std::int64_t>("rows", state.sums.images),
                  gate.required<std::vector<double>>("probability"),
                  gate.required<std::vector<std::int64_t>>("assignments"),
                  gate.required<double>("entropy")};
    if (state.gate.assignments.size() != state.gate.probability.size()) {
      gate.fail("assignments", "must have as many entries as probability");
    }
    gate.finish();
  }
  object.finish();
}

TrainingState parse_state(const TensorFile& file, const std::filesystem::path& path) {
  const auto entry = file.metadata.find(kStateEntry);
  check(
      entry != file.metadata.end(),
      "{}: not a checkpoint: the metadata entry '{}' is missing (weights alone cannot be resumed)",
      path.string(), kStateEntry);
  const std::string where = path.string() + ": metadata";
  JsonObject object(parse_json(entry->second, where), where);
  TrainingState state;
  state.finished_epochs = object.bounded<std::int64_t>("finished_epochs", 0, kMaxEpochs);
  state.step = object.bounded<std::int64_t>("step", 0, kMaxImages);
  JsonObject random = object.object("random");
  state.random = {random.required<std::uint64_t>("seed"), random.required<std::uint64_t>("offset")};
  random.finish();
  state.best_epoch = object.bounded<std::int64_t>("best_epoch", 0, state.finished_epochs);
  state.best_validation_accuracy = object.required<double>("best_validation_accuracy");
  if (state.step > 0) parse_under_way(object.object("under_way"), state);
  object.finish();
  return state;
}

TensorMap merged(TensorMap a, TensorMap b) {
  a.merge(b);
  return a;
}

/// Everything that a checkpoint holds, for import_tensors().
std::vector<nn::PublishedTensor> all_tensors(Classifier& model, nn::Sgd& optimizer) {
  std::vector<nn::NamedTensor> all = model.parameters();
  for (auto part : {model.buffers(), optimizer.state()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return nn::published(all);
}

}  // namespace

void save_checkpoint(const std::filesystem::path& path, Classifier& model, nn::Sgd& optimizer,
                     const TrainingState& state) {
  write_safetensors(path,
                    {merged(state_dict(model), export_tensors(nn::published(optimizer.state()))),
                     {{kStateEntry, to_json(state).dump()}}});
}

TrainingState load_checkpoint(const std::filesystem::path& path, Classifier& model,
                              nn::Sgd& optimizer) {
  const TensorFile file = read_safetensors(path);
  TrainingState state = parse_state(file, path);
  import_tensors(all_tensors(model, optimizer), file.tensors, path.string());
  return state;
}

TrainingState read_training_state(const std::filesystem::path& path) {
  return parse_state(read_safetensors(path), path);
}

TensorFile read_weights(const std::filesystem::path& path) {
  TensorFile file = read_safetensors(path);
  std::erase_if(file.tensors, [](const auto& entry) {
    return std::ranges::any_of(kOptimizerPrefixes, [&](std::string_view prefix) {
      return entry.first.starts_with(prefix);
    });
  });
  return file;
}

}  // namespace switchyard
