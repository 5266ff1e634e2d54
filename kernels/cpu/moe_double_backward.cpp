#include "kernels/api/moe_double_backward.h"

#include <algorithm>
#include <vector>

#include "kernels/api/provide.h"
#include "kernels/common/expert_tangent.h"
#include "kernels/cpu/moe_double_fused.h"

// The second order of the token MoE layer on the host.

namespace switchyard::kernels {
namespace {

/// The definition, one slot after the other on one thread, in double.
template <class Unit, class T>
class PlainSlots {
 public:
  PlainSlots(const Unit& unit, const MoeDoubleBackward<T>& a)
      : unit_(unit),
        a_(a),
        s_(a.shape),
        ggy_(a.ggy, s_.tokens * s_.out),
        gx_(a.gx, s_.tokens * s_.width),
        gweights_(a.gweights, s_.tokens * s_.k),
        gw_in_(a.gw_in, s_.experts * s_.wide() * s_.width),
        gb_in_(a.gb_in, s_.experts * s_.wide()),
        gw_out_(a.gw_out, s_.experts * s_.out * s_.hidden),
        gb_out_(a.gb_out, s_.experts * s_.out) {}

  void run() {
    for (std::int64_t e = 0; e < s_.experts; ++e) {
      for (std::int64_t slot = a_.routes.offsets[e]; slot < a_.routes.offsets[e + 1]; ++slot) {
        add_slot(e, slot);
      }
    }
    for (const Sums* sums : {&ggy_, &gx_, &gweights_, &gw_in_, &gb_in_, &gw_out_, &gb_out_}) {
      sums->round();
    }
  }

 private:
  /// Sums of a result that may not be wanted.
  struct Sums {
    Sums(T* result, std::int64_t count)
        : to(result), values(static_cast<std::size_t>(result == nullptr ? 0 : count)) {}
    void add(std::int64_t at, double term) {
      if (to != nullptr) values[static_cast<std::size_t>(at)] += term;
    }
    void round() const {
      std::transform(values.begin(), values.end(), to,
                     [](double value) { return static_cast<T>(value); });
    }
    T* to;
    std::vector<double> values;
  };

  static double at(const T* array, std::int64_t i) {
    return array == nullptr ? 0.0 : double{array[i]};
  }
  /// Row `row` of an expert's matrix [rows, cols] times `x` [cols].
  static double dot(const T* matrix, std::int64_t row, std::int64_t cols, const T* x) {
    double sum = 0.0;
    for (std::int64_t d = 0; matrix != nullptr && x != nullptr && d < cols; ++d) {
      sum += double{matrix[row * cols + d]} * double{x[d]};
    }
    return sum;
  }

  void add_slot(std::int64_t e, std::int64_t slot) {
    const std::int64_t assignment = a_.routes.permutation[slot];
    const std::int64_t token = assignment / s_.k;
    const T* const x = a_.x + token * s_.width;
    const T* const v_x = a_.direction.x == nullptr ? nullptr : a_.direction.x + token * s_.width;
    const T* const gy = a_.gy + token * s_.out;
    const MoeWeights<T>& w = a_.experts;
    const MoeWeights<T>& v = a_.direction.experts;
    const double weight = double{a_.weights[assignment]};
    const double v_weight = at(a_.direction.weights, assignment);
    for (std::int64_t c = 0; c < s_.out; ++c) {
      const std::int64_t row = e * s_.out + c;
      ggy_.add(token * s_.out + c, weight * at(v.b_out, row) + v_weight * at(w.b_out, row));
      gweights_.add(assignment, double{gy[c]} * at(v.b_out, row));
      gb_out_.add(row, v_weight * double{gy[c]});
    }
    const auto pre_activation = [&](std::int64_t row) {
      return a_.u != nullptr ? double{a_.u[slot * s_.wide() + row % s_.wide()]}
                             : dot(w.w_in, row, s_.width, x) + at(w.b_in, row);
    };
    const auto tangent = [&](std::int64_t row) {
      return dot(w.w_in, row, s_.width, v_x) + dot(v.w_in, row, s_.width, x) + at(v.b_in, row);
    };
    for (std::int64_t j = 0; j < s_.hidden; ++j) {
      const std::int64_t first = e * s_.wide() + j;
      const std::int64_t second = first + s_.wide() - s_.hidden;
      double g = 0.0;
      double dg = 0.0;
      for (std::int64_t c = 0; c < s_.out; ++c) {
        const std::int64_t element = (e * s_.out + c) * s_.hidden + j;
        g += double{w.w_out[element]} * double{gy[c]};
        dg += at(v.w_out, element) * double{gy[c]};
      }
      const UnitTangent<double> t =
          unit_tangent(unit_, v_weight * g + weight * dg, weight * g, pre_activation(first),
                       pre_activation(second), tangent(first), tangent(second));
      const double p = weight * t.dh + v_weight * t.h;
      gweights_.add(assignment, g * t.dh + dg * t.h);
      for (std::int64_t c = 0; c < s_.out; ++c) {
        const std::int64_t element = (e * s_.out + c) * s_.hidden + j;
        ggy_.add(token * s_.out + c,
                 double{w.w_out[element]} * p + at(v.w_out, element) * weight * t.h);
        gw_out_.add(element, double{gy[c]} * p);
      }
      through(token, first, x, v_x, t.gu, t.gdu);
      if (Unit::kInputs == 2) through(token, second, x, v_x, t.gsecond, t.gdsecond);
    }
  }

  /// From the cotangents of a pre-activation and of its derivative along the direction.
  void through(std::int64_t token, std::int64_t row, const T* x, const T* v_x, double gu2,
               double gu) {
    gb_in_.add(row, gu2);
    for (std::int64_t d = 0; d < s_.width; ++d) {
      const std::int64_t element = row * s_.width + d;
      gx_.add(token * s_.width + d,
              double{a_.experts.w_in[element]} * gu2 + at(a_.direction.experts.w_in, element) * gu);
      gw_in_.add(element, gu2 * double{x[d]} + gu * at(v_x, d));
    }
  }

  const Unit& unit_;
  const MoeDoubleBackward<T>& a_;
  const MoeShape& s_;
  Sums ggy_, gx_, gweights_, gw_in_, gb_in_, gw_out_, gb_out_;
};

template <class T>
void plain_loops(Cpu&, const MoeDoubleBackward<T>& a) {
  with_activation(a.shape.activation,
                  [&]<class Unit>(const Unit& unit) { PlainSlots<Unit, T>(unit, a).run(); });
}

}  // namespace

template <class T>
constexpr auto kRungs<Cpu, MoeDoubleBackward<T>> = std::to_array<Rung<Cpu, MoeDoubleBackward<T>>>(
    {{"moe_double_backward_plain_loops", plain_loops<T>},
     {kDoubleFusedName, moe_double_backward_fused<T>}});

template struct Provides<Cpu, MoeDoubleBackward<float>, MoeDoubleBackward<double>>;

}  // namespace switchyard::kernels
