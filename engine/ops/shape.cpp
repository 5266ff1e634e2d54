#include "engine/ops/shape.h"

#include <array>

#include "engine/autograd/node.h"
#include "engine/core/run.h"
#include "kernels/api/shape.h"

namespace switchyard {
namespace {

using Gradients = std::vector<Tensor>;

/// `shape` with another size of axis 0.
Shape with_rows(const Shape& shape, std::int64_t rows) {
  std::array<std::int64_t, Shape::kMaxRank> sizes{};
  std::copy(shape.begin(), shape.end(), sizes.begin());
  sizes[0] = rows;
  return Shape(std::span<const std::int64_t>(sizes.data(), static_cast<std::size_t>(shape.rank())));
}

/// Elements per row; the row count may be 0.
std::int64_t row_size(const Shape& shape) { return with_rows(shape, 1).numel(); }

void check_rows(std::string_view op, const Tensor& x) {
  check_same_kind(op, {&x});
  check(x.rank() > 0, "[{}] a scalar has no rows", op);
}

}  // namespace

Tensor reshape(const Tensor& x, const Shape& shape) {
  check_same_kind("reshape", {&x});
  check(x.numel() == shape.numel(), "[reshape] shape {} does not hold the elements of {}", shape,
        x.shape());
  if (x.shape() == shape) return x;
  return record("reshape", x.view(shape), {x}, Saved::nothing(), [](const Vjp& v) -> Gradients {
    return {reshape(v.cotangent(), v.input_shape(0))};
  });
}

Tensor transpose(const Tensor& x) {
  check_same_kind("transpose", {&x});
  check(x.rank() == 2 || x.rank() == 3,
        "[transpose] needs a matrix or a stack of them, got shape {}", x.shape());
  const std::int64_t matrices = x.rank() == 3 ? x.size(0) : 1;
  const std::int64_t rows = x.size(-2);
  const std::int64_t columns = x.size(-1);
  const Shape shape = x.rank() == 3 ? Shape({matrices, columns, rows}) : Shape({columns, rows});
  Tensor y = Tensor::empty(shape, x.dtype(), x.device());
  for (std::int64_t i = 0; i < matrices; ++i) {
    run_with_bfloat16("transpose", x, [&]<class T>() {
      const std::int64_t begin = i * rows * columns;
      return kernels::Transpose<T>{
          .x = x.data<T>() + begin, .y = y.data<T>() + begin, .rows = rows, .columns = columns};
    });
  }
  return record("transpose", y, {x}, Saved::nothing(),
                [](const Vjp& v) -> Gradients { return {transpose(v.cotangent())}; });
}

Tensor concat(std::span<const Tensor> parts) {
  check(!parts.empty(), "[concat] needs at least one tensor");
  std::int64_t rows = 0;
  for (const Tensor& part : parts) {
    check_rows("concat", part);
    check_same_kind("concat", {&parts[0], &part});
    check(with_rows(part.shape(), 0) == with_rows(parts[0].shape(), 0),
          "[concat] shapes {} and {} differ beyond axis 0", parts[0].shape(), part.shape());
    rows += part.size(0);
  }
  Tensor y = Tensor::empty(with_rows(parts[0].shape(), rows), parts[0].dtype(), parts[0].device());
  std::int64_t target = 0;
  for (const Tensor& part : parts) {
    run_with_bfloat16("concat", y, [&]<class T>() {
      return kernels::Copy<T>{
          .x = part.data<T>(), .y = y.data<T>() + target, .count = part.numel()};
    });
    target += part.numel();
  }
  return record("concat", y, {parts.begin(), parts.end()}, Saved::nothing(),
                [count = parts.size()](const Vjp& v) {
                  Gradients gradients(count);
                  std::int64_t begin = 0;
                  for (std::size_t i = 0; i < count; ++i) {
                    const std::int64_t end = begin + v.input_shape(i)[0];
                    if (v.needs(i)) gradients[i] = slice_rows(v.cotangent(), begin, end);
                    begin = end;
                  }
                  return gradients;
                });
}

Tensor stack(std::span<const Tensor> parts) {
  check(!parts.empty(), "[stack] needs at least one tensor");
  std::vector<Tensor> rows;
  for (const Tensor& part : parts) {
    check_same_kind("stack", {&parts[0], &part});
    check(part.shape() == parts[0].shape(), "[stack] shapes differ: {} and {}", parts[0].shape(),
          part.shape());
    std::vector<std::int64_t> sizes = {1};
    sizes.insert(sizes.end(), part.shape().begin(), part.shape().end());
    rows.push_back(reshape(part, Shape(std::span<const std::int64_t>(sizes))));
  }
  return concat(rows);
}

Tensor slice_rows(const Tensor& x, std::int64_t begin, std::int64_t end) {
  check_rows("slice_rows", x);
  check(0 <= begin && begin <= end && end <= x.size(0),
        "[slice_rows] rows [{}, {}) are not part of shape {}", begin, end, x.shape());
  if (begin == 0 && end == x.size(0)) return x;
  Tensor y = Tensor::empty(with_rows(x.shape(), end - begin), x.dtype(), x.device());
  run_with_bfloat16("slice_rows", x, [&]<class T>() {
    return kernels::Copy<T>{
        .x = x.data<T>() + begin * row_size(x.shape()), .y = y.data<T>(), .count = y.numel()};
  });
  return record({"slice_rows", {{"begin", begin}, {"end", end}}}, y, {x}, Saved::nothing(),
                [begin](const Vjp& v) -> Gradients {
                  return {pad_rows(v.cotangent(), begin, v.input_shape(0)[0])};
                });
}

Tensor pad_rows(const Tensor& x, std::int64_t begin, std::int64_t rows) {
  check_rows("pad_rows", x);
  const std::int64_t end = begin + x.size(0);
  check(0 <= begin && end <= rows, "[pad_rows] shape {} at row {} does not fit in {} rows",
        x.shape(), begin, rows);
  if (rows == x.size(0)) return x;
  Tensor y = Tensor::empty(with_rows(x.shape(), rows), x.dtype(), x.device());
  const std::int64_t row = row_size(x.shape());
  const auto clear_rows = [&](std::int64_t first, std::int64_t count) {
    run_with_bfloat16("pad_rows", x, [&]<class T>() {
      return kernels::Fill<T>{.y = y.data<T>() + first * row, .value = T{0}, .count = count * row};
    });
  };
  clear_rows(0, begin);
  run_with_bfloat16("pad_rows", x, [&]<class T>() {
    return kernels::Copy<T>{.x = x.data<T>(), .y = y.data<T>() + begin * row, .count = x.numel()};
  });
  clear_rows(end, rows - end);
  return record(
      {"pad_rows", {{"begin", begin}, {"rows", rows}}}, y, {x}, Saved::nothing(),
      [begin, end](const Vjp& v) -> Gradients { return {slice_rows(v.cotangent(), begin, end)}; });
}

Tensor slice_columns(const Tensor& x, std::int64_t begin, std::int64_t end) {
  check(x.rank() == 2, "[slice_columns] needs a matrix, got {}", x.shape());
  check(0 <= begin && begin <= end && end <= x.size(1),
        "[slice_columns] columns [{}, {}) are not part of shape {}", begin, end, x.shape());
  if (begin == 0 && end == x.size(1)) return x;
  Tensor y = Tensor::empty({x.size(0), end - begin}, x.dtype(), x.device());
  run_with_bfloat16("slice_columns", x, [&]<class T>() {
    return kernels::CopyColumns<T>{.rows = x.size(0),
                                   .count = y.size(1),
                                   .x = x.data<T>(),
                                   .x_columns = x.size(1),
                                   .x_begin = begin,
                                   .y = y.data<T>(),
                                   .y_columns = y.size(1)};
  });
  return record({"slice_columns", {{"begin", begin}, {"end", end}}}, y, {x}, Saved::nothing(),
                [begin](const Vjp& v) -> Gradients {
                  return {pad_columns(v.cotangent(), begin, v.input_shape(0)[1])};
                });
}

Tensor pad_columns(const Tensor& x, std::int64_t begin, std::int64_t columns) {
  check(x.rank() == 2, "[pad_columns] needs a matrix, got {}", x.shape());
  const std::int64_t end = begin + x.size(1);
  check(0 <= begin && end <= columns,
        "[pad_columns] shape {} at column {} does not fit in {} columns", x.shape(), begin,
        columns);
  if (columns == x.size(1)) return x;
  Tensor y = Tensor::empty({x.size(0), columns}, x.dtype(), x.device());
  run_with_bfloat16("pad_columns", x, [&]<class T>() {
    return kernels::CopyColumns<T>{.rows = x.size(0),
                                   .count = x.size(1),
                                   .x = x.data<T>(),
                                   .x_columns = x.size(1),
                                   .y = y.data<T>(),
                                   .y_columns = columns,
                                   .y_begin = begin};
  });
  return record({"pad_columns", {{"begin", begin}, {"columns", columns}}}, y, {x}, Saved::nothing(),
                [begin, end](const Vjp& v) -> Gradients {
                  return {slice_columns(v.cotangent(), begin, end)};
                });
}

}  // namespace switchyard
