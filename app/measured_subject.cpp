#include "app/measured_subject.h"

#include <fmt/format.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "analysis/curvature/product_journal.h"
#include "engine/core/on_device.h"

namespace switchyard {

nlohmann::json measured_subject(Classifier& model, const std::vector<ImageSet>& sets) {
  nlohmann::json subject = {{"model", to_json(model.config())},
                            {"device", name(model.device())},
                            {"reproducible", cpu_executor().reproducible},
                            {"weights", fingerprint(nn::tensors_of(model.parameters()))}};
  for (const nn::NamedTensor& buffer : model.buffers()) {
    if (is_floating(buffer.tensor->dtype())) {
      subject["buffers"].push_back(fingerprint(std::span(buffer.tensor, 1)));
    }
  }
  for (const ImageSet& set : sets) {
    for (const Batch& batch : set.batches) {
      const Tensor labels = batch.labels.to(Device::kCpu).to(DType::kFloat64);
      subject["images"].push_back(fingerprint(std::vector{batch.images, labels}));
    }
  }
  return subject;
}

std::string state_name(const nlohmann::json& key) {
  return fmt::format("{:016x}", std::hash<std::string>()(key.dump()));
}

void remove_state(const std::filesystem::path& directory) {
  std::filesystem::remove_all(directory);
  std::error_code not_empty;
  std::filesystem::remove(directory.parent_path(), not_empty);
}

}  // namespace switchyard
