#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <string>

#include "data/loader.h"
#include "models/classifier.h"
#include "models/state.h"

namespace switchyard {

/// Names a model and a batch in files with PyTorch's layouts, which `probe` and `hessian` take.
struct ModelFiles {
  std::string model;    ///< the `model` object of a configuration: JSON text, or a file with it
  std::string weights;  ///< safetensors, PyTorch's names
  std::string batch;    ///< safetensors: images [N, C, H, W], labels [N]
};

/// Adds --model, --weights and --batch and returns them, in this order.
std::vector<CLI::Option*> add_model_options(CLI::App& command, ModelFiles& files);

/// Makes the model with its weights, on `device`.
std::unique_ptr<Classifier> load_model(const ModelFiles& files, DType dtype, Device device);

/// A batch and the direction of a Hessian-vector product, one tensor per parameter in order (zero
/// where the file has none for it); no tensors where the file has no direction at all.
struct BatchFile {
  Batch batch;
  std::vector<Tensor> direction;
};

/// Reads and checks a batch file for `model`, to whose device the tensors go. `allow_direction`:
/// tensors "direction.<parameter>" may be there. Error naming file and tensor: missing, extra,
/// wrong shape or dtype, a label that is no class, a value that is not finite.
BatchFile read_batch(const std::filesystem::path& path, Classifier& model, bool allow_direction);

}  // namespace switchyard
