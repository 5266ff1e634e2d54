// fuzz_seeds DIRECTORY: writes DIRECTORY/NAME/..., the inputs that the target NAME starts from. The
// project's own writers make them, so that they follow the formats as these change.

#include <cstdio>
#include <filesystem>

#include "engine/io/files.h"
#include "engine/io/json.h"
#include "engine/io/safetensors.h"
#include "models/state.h"
#include "tests/data/archive_files.h"
#include "tests/data/idx_files.h"
#include "tests/fuzz/weights_model.h"
#include "tests/support/image_files.h"
#include "training/checkpoint.h"
#include "training/presets.h"

namespace switchyard::fuzz {
namespace {

namespace fs = std::filesystem;

fs::path seed_file(const fs::path& root, const std::string& target, const std::string& name) {
  fs::create_directories(root / target);
  return root / target / name;
}

void write_configurations(const fs::path& root) {
  for (const std::string& preset : preset_names()) {
    for (const char* head : {"dense", "soft_moe", "sparse_moe", "hard_moe"}) {
      TrainConfig config = training_preset(preset);
      config.model.head.name = head;
      const std::string text = json_text(to_json(config), 2);
      const std::string name = preset + "-" + head;
      test::write_bytes(seed_file(root, "json", name), text);
      test::write_bytes(seed_file(root, "config", name), text);
      test::write_bytes(seed_file(root, "config", name + "-model"),
                        json_text(to_json(config.model)));
    }
  }
  test::write_bytes(seed_file(root, "settings", "numbers"), "optimizer.rate=0.2\nepochs=3\n");
  test::write_bytes(seed_file(root, "settings", "head"),
                    "model.head={\"name\": \"hard_moe\", \"experts\": 3}\ndevice=cpu\n");
}

void write_tensors(const fs::path& root) {
  WeightsModel model;
  const TensorMap weights = export_tensors(model.published());
  TensorFile file{weights, {{"format", "pt"}}};
  write_safetensors(seed_file(root, "weights", "all"), file);
  file.tensors["labels"] = Tensor::zeros({2}, DType::kInt32);
  file.tensors["images"] = Tensor::zeros({1, 2, 2}, DType::kUInt8);
  write_safetensors(seed_file(root, "safetensors", "types"), file);
  write_safetensors(seed_file(root, "safetensors", "empty"), {});
}

/// A checkpoint's metadata without its tensors, which the target `weights` has.
void write_checkpoints(const fs::path& root) {
  ModelConfig config;
  config.backbone.name = "small";
  config.head.name = "sparse_moe";
  const auto model = make_classifier(config, Generator(1), DType::kFloat32);
  nn::Sgd optimizer(model->parameters(), {});
  TrainingState state;
  state.finished_epochs = 3;
  state.best_epoch = 2;
  const fs::path path = seed_file(root, "checkpoint", "between-epochs");
  save_checkpoint(path, *model, optimizer, state);
  write_safetensors(path, {{}, read_safetensors(path).metadata});
  state.step = 5;
  state.sums = {80, 20, 12.5, 0.25};
  state.gate = {80, {40.0, 40.0}, {50, 110}, 30.0};
  const fs::path within = seed_file(root, "checkpoint", "within-an-epoch");
  save_checkpoint(within, *model, optimizer, state);
  write_safetensors(within, {{}, read_safetensors(within).metadata});
}

/// A file in NumPy's format 1.0.
std::string npy_file(const std::string& header, const std::string& data) {
  return std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(header.size()) + '\0' + header +
         data;
}

void write_images(const fs::path& root) {
  const auto write = [&](const char* target, const char* name, char choice,
                         const std::string& bytes) {
    test::write_bytes(seed_file(root, target, name), choice + bytes);
  };
  const std::string images = test::idx_images(12, 5, 4, 1);
  write("idx", "images", '\0', images);
  write("idx", "labels", '\1', test::idx_labels(12));
  const fs::path compressed = root / "compressed";
  test::write_gzip(compressed, images);
  write("idx", "images.gz", '\x80', read_file(compressed));
  fs::remove(compressed);
  write("cifar10", "batch", '\0', test::cifar10_records(1, 2));
  write("cifar10", "names", '\2', "a b c d e f g h i j\n");
  test::write_bytes(seed_file(root, "graph", "two-operations"),
                    R"({"inputs": {"x": [[1, 2]], "w": [[3, 4]]}, "integers": {"l": [0]},
  "operations": [{"name": "y", "op": "matmul", "inputs": ["x", "w"], "transpose_b": true},
                 {"name": "z", "op": "cross_entropy", "inputs": ["y", "l"]}],
  "loss": "z", "direction": {"x": [[1, 0]]}})");
  test::write_bytes(seed_file(root, "graph", "document"),
                    R"({"nodes": [{"op": "exp", "pass": 0, "outputs": [{"shape": [2],
  "dtype": "float64", "values": [1, "nan"]}]}], "gradient": {"x": {"shape": [], "norm": 2}}})");
  test::write_bytes(seed_file(root, "trace", "one-layer"),
                    npy_file("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 2), }",
                             std::string("\0\1\2\3", 4)));
  test::write_bytes(seed_file(root, "trace", "two-layers"),
                    npy_file("{'descr': '<i2', 'fortran_order': False, 'shape': (1, 2, 1), }",
                             std::string("\5\0\7\0", 4)));
  const std::string folder = "cifar-10-batches-bin/";
  test::write_archive(seed_file(root, "archive", "two-files"),
                      {{folder, "", test::ArchiveEntry::kDirectory},
                       {folder + "data_batch_1.bin", std::string(3073, 'x')},
                       {folder + "test_batch.bin", "y"}});
  test::write_archive(seed_file(root, "archive", "a-link"),
                      {{folder + "test_batch.bin", "../x", test::ArchiveEntry::kSymbolicLink}});
}

/// A seed for each kernel of a file of PTX, with what stands before the first one.
void write_kernels(const fs::path& root, const fs::path& file) {
  const std::string text = read_file(file);
  constexpr std::string_view kEntry = ".visible .entry ";
  const std::size_t first = text.find(kEntry);
  for (std::size_t at = first; at != std::string::npos;) {
    const std::size_t next = text.find(kEntry, at + 1);
    const std::string kernel = text.substr(at, next - at);
    const std::size_t name = kEntry.size();
    const std::string seed =
        file.stem().string() + "-" + kernel.substr(name, kernel.find('(') - name);
    test::write_bytes(seed_file(root, "ptx", seed), text.substr(0, first) + kernel);
    at = next;
  }
}

/// The kernels of the X-ray's tests, one by one, so that each seed is small.
void write_ptx(const fs::path& root) {
  const fs::path folder = fs::path(SWITCHYARD_SOURCE_DIR) / "tests/kernels/xray/ptx";
  for (const fs::directory_entry& one : fs::directory_iterator(folder)) {
    if (one.path().extension() == ".ptx") write_kernels(root, one.path());
  }
}

}  // namespace
}  // namespace switchyard::fuzz

int main(int count, char** arguments) {
  if (count != 2) {
    std::fprintf(stderr, "usage: fuzz_seeds DIRECTORY\n");
    return 2;
  }
  const std::filesystem::path root = arguments[1];
  switchyard::fuzz::write_configurations(root);
  switchyard::fuzz::write_tensors(root);
  switchyard::fuzz::write_checkpoints(root);
  switchyard::fuzz::write_images(root);
  switchyard::fuzz::write_ptx(root);
  return 0;
}
