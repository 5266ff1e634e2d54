// A two-layer perceptron learns which side of a circle a point lies on.

#include <fmt/format.h>

#include "engine/nn/layers.h"
#include "engine/nn/optimizer.h"
#include "engine/switchyard.h"

using namespace switchyard;

namespace {

/// Two linear layers with a ReLU between them: [N, 2] -> logits [N, 2].
class Perceptron : public nn::Module {
 public:
  explicit Perceptron(Generator& random)
      : first_(2, 32, DType::kFloat32, random), second_(32, 2, DType::kFloat32, random) {
    register_child("first", first_);
    register_child("second", second_);
  }
  Tensor forward(const Tensor& x) const { return second_.forward(relu(first_.forward(x))); }

 private:
  nn::Linear first_, second_;
};

}  // namespace

int main() {
  constexpr std::int64_t kPoints = 512;
  Generator random(1);
  const Tensor x = random_normal({kPoints, 2}, DType::kFloat32, random.next(2 * kPoints));
  Tensor labels = Tensor::empty({kPoints}, DType::kInt64);
  for (std::int64_t i = 0; i < kPoints; ++i) {
    const float* const p = x.data<float>() + 2 * i;
    labels.data<std::int64_t>()[i] = p[0] * p[0] + p[1] * p[1] < 1.4F ? 1 : 0;
  }

  Perceptron model(random);
  nn::Sgd optimizer(model.parameters(), {.momentum = 0.9});
  double loss = 0.0;
  for (int step = 0; step <= 300; ++step) {
    const Tensor output = cross_entropy(model.forward(x), labels);
    loss = output.item();
    if (step % 100 == 0) fmt::print("step {:>3}  loss {:.4f}\n", step, loss);
    optimizer.step(grad(output, nn::tensors_of(model.parameters())), 0.2);
  }
  return loss < 0.1 ? 0 : 1;
}
