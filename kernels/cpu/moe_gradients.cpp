#include "kernels/cpu/moe_gradients.h"

#include "kernels/common/moe_steps.h"

namespace switchyard::kernels {
namespace {

/// Rows of a gradient in one task, and slots that are added to it at a time. Sums in float32 of a
/// bfloat16 result wait beside it, so there are fewer of them.
template <class T>
constexpr std::int64_t kGradRows = kTermsOf<T> == 1 ? 512 : 128;
constexpr std::int64_t kGradSlots = 256;

/// Where the sums of a task's rows are made: in the gradient, or beside a narrower one.
template <class T>
class GradSums {
 public:
  /// `gradient` [rows, columns] may be null.
  GradSums(T* gradient, std::int64_t rows, std::int64_t columns)
      : gradient_(gradient), count_(rows * columns) {
    if constexpr (kTermsOf<T> == 1) {
      sums_ = gradient;
    } else if (gradient != nullptr) {
      sums_ = scratch<float>(Scratch::kPartialSums, static_cast<std::size_t>(count_));
    }
  }
  SumOf<T>* data() const { return sums_; }
  /// Bytes of memory behind data() in all tasks together: none where the sums are made beside the
  /// gradient, and rounded from the cache.
  static double bytes(std::int64_t numbers) {
    return kTermsOf<T> == 1 ? bytes_of<T>(numbers) : 0.0;
  }
  /// Rounds what was summed; zeros where there was nothing to sum.
  void finish(bool nothing) const {
    if (gradient_ == nullptr) return;
    if (nothing) {
      std::fill_n(gradient_, count_, T(0));
    } else if constexpr (kTermsOf<T> == 2) {
      for (std::int64_t i = 0; i < count_; ++i) gradient_[i] = T(sums_[i]);
    }
  }

 private:
  T* gradient_;
  std::int64_t count_;
  SumOf<T>* sums_ = nullptr;
};

template <class T>
void round_to(const double* sums, std::int64_t count, T* to) {
  for (std::int64_t j = 0; j < count; ++j) to[j] = T(static_cast<SumOf<T>>(sums[j]));
}

/// Rows of gw_in [H', D] and gb_in of one task.
template <class T>
void grad_in(const MatrixSums<T>& a, const GradTask& task) {
  const MoeShape& s = a.shape;
  const std::int64_t width = strip_columns<T>();
  const std::int64_t strips = (s.width + width - 1) / width;
  const std::int64_t stride = elements_for<T>(kGradSlots);
  auto* const x =
      scratch<ElementOf<T>>(Scratch::kMoePanels, static_cast<std::size_t>(strips * stride * width));
  const std::int64_t row = task.expert * s.wide() + task.row;
  const GradSums<T> gw(a.gw_in == nullptr ? nullptr : a.gw_in + row * s.width, task.rows, s.width);
  double sums[kGradRows<T>] = {};
  const std::int64_t begin = a.routes.offsets[task.expert];
  const std::int64_t end = a.routes.offsets[task.expert + 1];
  const double bytes = GradSums<T>::bytes(s.experts * s.wide() * s.width);
  const SlotsByTokens<T>* const last = a.in + (a.in[1].gu != nullptr ? 1 : 0);
  for (std::int64_t first = begin; first < end; first += kGradSlots) {
    const std::int64_t slots = std::min(kGradSlots, end - first);
    for (const SlotsByTokens<T>& term : a.in) {
      if (term.gu == nullptr) continue;
      const bool is_first = &term == a.in;
      const T* const left = term.gu + first * s.wide() + task.row;
      for (std::int64_t i = 0; is_first && a.gb_in != nullptr && i < slots; ++i) {
        for (std::int64_t j = 0; j < task.rows; ++j) {
          sums[j] += double{static_cast<SumOf<T>>(left[i * s.wide() + j])};
        }
      }
      if (gw.data() == nullptr) continue;
      copy_to_strips<T>(
          slots, s.width,
          [&](std::int64_t slot) {
            return term.x + a.routes.permutation[first + slot] / s.k * s.width;
          },
          x, stride);
      tile_product_strips<T>(
          task.rows, s.width, slots, {left, s.wide(), true}, x, stride * width, gw.data(), s.width,
          write_summand(is_first && first == begin, &term == last && first + slots == end, bytes));
    }
  }
  gw.finish(begin == end);
  if (a.gb_in != nullptr) round_to(sums, task.rows, a.gb_in + row);
}

/// Rows of gw_out [C, H] and gb_out of one task.
template <class T>
void grad_out(const MatrixSums<T>& a, const GradTask& task) {
  const MoeShape& s = a.shape;
  const std::int64_t width = strip_columns<T>();
  T* const gy = scratch<T>(Scratch::kMoePanels, static_cast<std::size_t>(kGradSlots * task.rows));
  const std::int64_t row = task.expert * s.out + task.row;
  const GradSums<T> gw(a.gw_out == nullptr ? nullptr : a.gw_out + row * s.hidden, task.rows,
                       s.hidden);
  double sums[kGradRows<T>] = {};
  const std::int64_t begin = a.routes.offsets[task.expert];
  const std::int64_t end = a.routes.offsets[task.expert + 1];
  for (std::int64_t first = begin; first < end; first += kGradSlots) {
    const std::int64_t slots = std::min(kGradSlots, end - first);
    for (std::int64_t i = 0; i < slots; ++i) {
      const std::int64_t assignment = a.routes.permutation[first + i];
      const T* const from = a.gy + assignment / s.k * s.out + task.row;
      std::copy_n(from, task.rows, gy + i * task.rows);
      if (a.gb_out == nullptr || a.bias_weights == nullptr) continue;
      const auto weight = double{a.bias_weights[assignment]};
      for (std::int64_t j = 0; j < task.rows; ++j) {
        sums[j] += weight * double{static_cast<SumOf<T>>(from[j])};
      }
    }
    if (gw.data() == nullptr) continue;
    const std::int64_t element =
        first_element<T>(task.expert, begin) + (first - begin) / kTermsOf<T>;
    tile_product_strips<T>(task.rows, s.hidden, slots, {gy, task.rows, true}, a.h + element * width,
                           slot_elements<T>(s) * width, gw.data(), s.hidden,
                           write_summand(first == begin, first + slots == end,
                                         GradSums<T>::bytes(s.experts * s.out * s.hidden)));
  }
  gw.finish(begin == end);
  if (a.gb_out != nullptr) round_to(sums, task.rows, a.gb_out + row);
}

/// What the sums read and write.
template <class T>
Work gradients_work(const MatrixSums<T>& a) {
  const MoeShape& s = a.shape;
  const std::int64_t terms = a.in[1].gu != nullptr ? 2 : 1;
  const bool in = a.gw_in != nullptr || a.gb_in != nullptr;
  const bool out = a.gw_out != nullptr || a.gb_out != nullptr;
  const std::int64_t left = (in ? terms * s.wide() : 0) + (a.gw_out != nullptr ? s.hidden : 0);
  const std::int64_t operands =
      s.slots * left + s.tokens * ((a.gw_in != nullptr ? terms * s.width : 0) + (out ? s.out : 0));
  const std::int64_t results =
      s.experts *
      ((a.gw_in != nullptr ? s.wide() * s.width : 0) + (a.gb_in != nullptr ? s.wide() : 0) +
       (a.gw_out != nullptr ? s.hidden * s.out : 0) + (a.gb_out != nullptr ? s.out : 0));
  const double in_flops = fused_moe::product_flops(s, s.width, s.wide());
  return {.bytes = bytes_of<T>(operands + results) + bytes_of<SumOf<T>>(out ? s.slots : 0) +
                   bytes_of<std::int64_t>(s.slots + s.experts + 1),
          .flops = (a.gw_in != nullptr ? static_cast<double>(terms) * in_flops : 0.0) +
                   (a.gw_out != nullptr ? fused_moe::product_flops(s, s.hidden, s.out) : 0.0)};
}

}  // namespace

template <class T>
void run_matrix_gradients(Cpu& cpu, const char* rung, const MatrixSums<T>& a) {
  const MoeShape& s = a.shape;
  fused_moe::run_step<fused_moe::kMatrixGrads>(cpu, rung, gradients_work(a), [&] {
    if (a.gw_in != nullptr || a.gb_in != nullptr) {
      for_each_task(grad_tasks(s.experts, s.wide(), kGradRows<T>),
                    [&](const GradTask& task) { grad_in(a, task); });
    }
    if (a.gw_out != nullptr || a.gb_out != nullptr) {
      for_each_task(grad_tasks(s.experts, s.out, kGradRows<T>),
                    [&](const GradTask& task) { grad_out(a, task); });
    }
  });
}

template void run_matrix_gradients(Cpu&, const char*, const MatrixSums<float>&);
template void run_matrix_gradients(Cpu&, const char*, const MatrixSums<double>&);
template void run_matrix_gradients(Cpu&, const char*, const MatrixSums<BFloat16>&);

}  // namespace switchyard::kernels
