#include "app/model_files.h"

#include "engine/io/json.h"
#include "engine/io/safetensors.h"
#include "training/checkpoint.h"

namespace switchyard {
namespace {

constexpr std::string_view kDirectionPrefix = "direction.";

ModelConfig read_model_config(const std::string& option) {
  const std::size_t first = option.find_first_not_of(" \t\n");
  if (first != std::string::npos && option[first] == '{') {
    return parse_model_config(parse_json(option, "--model"), "--model");
  }
  return parse_model_config(read_json(option), option);
}

const Tensor& required(const TensorFile& file, const std::string& tensor,
                       const std::filesystem::path& path) {
  const auto found = file.tensors.find(tensor);
  if (found != file.tensors.end()) return found->second;
  const auto skipped = file.skipped.find(tensor);
  check(skipped == file.skipped.end(), "{}: the tensor {} has the dtype {}, which is not read",
        path.string(), tensor, skipped == file.skipped.end() ? "" : printable(skipped->second));
  throw Error(fmt::format("{}: the tensor {} is missing", path.string(), tensor));
}

/// [N, C, H, W] of a file -> [N, H, W, C].
Tensor read_images(const Tensor& images, std::int64_t channels, DType dtype,
                   const std::filesystem::path& path) {
  check(images.dtype() == DType::kFloat32 || images.dtype() == DType::kFloat64,
        "{}: images must be float32 or float64, got {}", path.string(), name(images.dtype()));
  check(images.rank() == 4 && images.size(0) >= 1 && images.size(1) == channels &&
            images.size(2) >= 1 && images.size(3) >= 1,
        "{}: images must be [N, {}, H, W], got {}", path.string(), channels,
        images.shape().to_string());
  require_finite("images", images, path);
  // A convolution weight's file layout is the images': O, I, H, W.
  return from_file_layout(images, nn::NamedTensor::Layout::kConvWeight).to(dtype);
}

void check_labels(const Tensor& labels, std::int64_t count, std::int64_t classes,
                  const std::filesystem::path& path) {
  check(labels.dtype() == DType::kInt64, "{}: labels must be int64, got {}", path.string(),
        name(labels.dtype()));
  check(labels.shape() == Shape{count}, "{}: labels must be [{}] as there are images, got {}",
        path.string(), count, labels.shape().to_string());
  const std::span<const std::int64_t> values = labels.span<std::int64_t>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    check(values[i] >= 0 && values[i] < classes, "{}: labels[{}] is {}, there are {} classes",
          path.string(), i, values[i], classes);
  }
}

void check_known(const TensorFile& file, bool allow_direction, const std::filesystem::path& path) {
  std::vector<std::string> extra;
  for (const auto& [tensor, value] : file.tensors) {
    if (tensor == "images" || tensor == "labels") continue;
    if (allow_direction && tensor.starts_with(kDirectionPrefix)) continue;
    extra.push_back(tensor);
  }
  if (extra.empty()) return;
  throw Error(fmt::format("{}: unknown tensors: {} (there are: images, labels{})", path.string(),
                          printable_list(extra, " "),
                          allow_direction ? ", direction.<parameter>" : ""));
}

/// Directions in the engine's layouts, in the order of `parameters`, zero where the file has none.
std::vector<Tensor> read_direction(const TensorFile& file,
                                   const std::vector<nn::NamedTensor>& parameters,
                                   const std::filesystem::path& path) {
  TensorMap given;
  for (const auto& [tensor, value] : file.tensors) {
    if (tensor.starts_with(kDirectionPrefix)) given[tensor] = value;
  }
  std::vector<Tensor> direction;
  if (given.empty()) return direction;
  for (const nn::NamedTensor& parameter : parameters) {
    direction.push_back(zeros_like(*parameter.tensor));
  }
  std::vector<nn::PublishedTensor> targets = nn::published(parameters, direction);
  for (nn::PublishedTensor& target : targets) target.name.insert(0, kDirectionPrefix);
  std::erase_if(targets, [&](const auto& target) { return !given.contains(target.name); });
  import_tensors(std::move(targets), given, path.string());
  return direction;
}

}  // namespace

std::vector<CLI::Option*> add_model_options(CLI::App& command, ModelFiles& files) {
  CLI::Option* model =
      command.add_option("--model", files.model,
                         "The `model` object of a configuration: JSON text, or a file with it");
  CLI::Option* weights = command.add_option(
      "--weights", files.weights,
      "safetensors file with all parameters and buffers, in PyTorch's names and layouts");
  CLI::Option* batch = command.add_option(
      "--batch", files.batch,
      "safetensors file with images [N, C, H, W] float32 (normalised) and labels [N]\nint64");
  for (CLI::Option* option : {weights, batch}) option->type_name("FILE");
  return {model, weights, batch};
}

std::unique_ptr<Classifier> load_model(const ModelFiles& files, DType dtype, Device device) {
  auto model = make_classifier(read_model_config(files.model), Generator(0), dtype, device);
  const TensorFile weights = read_weights(files.weights);
  load_state_dict(*model, weights.tensors, files.weights, weights.skipped);
  return model;
}

BatchFile read_batch(const std::filesystem::path& path, Classifier& model, bool allow_direction) {
  const TensorFile file = read_safetensors(path);
  const ModelConfig& config = model.config();
  check_known(file, allow_direction, path);
  BatchFile result;
  result.batch.images =
      read_images(required(file, "images", path), config.backbone.in_channels, model.dtype(), path);
  result.batch.labels = required(file, "labels", path);
  check_labels(result.batch.labels, result.batch.images.size(0), config.head.classes, path);
  result.batch = to_device(result.batch, model.device());
  result.direction = read_direction(file, model.parameters(), path);
  return result;
}

}  // namespace switchyard
