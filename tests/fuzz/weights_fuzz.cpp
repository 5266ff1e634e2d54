// Weights: a file's tensors are taken over complete and finite, or none of them is.

#include <cmath>

#include "models/state.h"
#include "tests/fuzz/target.h"
#include "tests/fuzz/weights_model.h"
#include "training/checkpoint.h"

using namespace switchyard;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static fuzz::MemoryFile input;
  static fuzz::WeightsModel model;
  input.set(fuzz::text_of(data, size));
  for (Tensor* tensor : model.tensors()) tensor->fill(7.0);
  bool is_loaded = false;
  fuzz::may_refuse([&] {
    const TensorFile file = read_weights(input.path());
    import_tensors(model.published(), file.tensors, "input", file.skipped);
    is_loaded = true;
  });
  for (const Tensor* tensor : model.tensors()) {
    for (const double value : tensor->to_doubles()) {
      if (!std::isfinite(value)) fuzz::fail("a weight is not finite");
      if (!is_loaded && value != 7.0) fuzz::fail("a refused file has changed a weight");
    }
  }
  return 0;
}
