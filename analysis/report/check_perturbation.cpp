#include "analysis/report/check_perturbation.h"

#include "analysis/report/field_checks.h"

namespace switchyard {
namespace {

constexpr const char* kSets[] = {"train", "test"};

void check_curve(const JsonField& curve) {
  const size_t points = curve.at("alphas").elements().size();
  for (const char* values : {"alphas", "train", "test"}) check_numbers(curve.at(values), points);
  for (const char* quantity : {"accuracy", "changed"}) {
    const auto shares = curve.find(quantity);
    if (!shares) continue;
    for (const char* set : kSets) check_fractions(shares->at(set), points);
  }
}

void check_eigenvector(const JsonField& curve) {
  curve.at("eigenvalue").number();
  if (const auto residual = curve.find("residual")) residual->number();
  check_curve(curve);
}

/// Rows of one quantity: `rows` arrays of `columns` numbers.
void check_grid(const JsonField& grid, size_t rows, size_t columns, bool fractions) {
  for (const JsonField& row : grid.elements(rows)) {
    (fractions ? check_fractions : check_numbers)(row, columns);
  }
}

void check_surface(const JsonField& surface) {
  surface.at("x").string();
  surface.at("y").string();
  const size_t columns = surface.at("x_steps").elements().size();
  const size_t rows = surface.at("y_steps").elements().size();
  if (columns < 2) surface.at("x_steps").fail("expected at least 2 elements");
  if (rows < 2) surface.at("y_steps").fail("expected at least 2 elements");
  check_numbers(surface.at("x_steps"), columns);
  check_numbers(surface.at("y_steps"), rows);
  for (const char* set : kSets) {
    const JsonField values = surface.at(set);
    check_grid(values.at("loss"), rows, columns, /*fractions=*/false);
    check_grid(values.at("accuracy"), rows, columns, /*fractions=*/true);
    if (const auto changed = values.find("changed")) check_grid(*changed, rows, columns, true);
  }
}

void check_shares(const JsonField& point) {
  point.at("accuracy").fraction();
  if (const auto changed = point.find("changed")) changed->fraction();
}

/// Both sets have the same places: `check` looks at one of them.
template <class Check>
void check_both(const JsonField& measured, Check check) {
  const size_t places = measured.at("train").elements().size();
  if (places == 0) measured.at("train").fail("expected at least 1 element");
  for (const char* set : kSets) {
    for (const JsonField& place : measured.at(set).elements(places)) check(place);
  }
}

void check_worst_case(const JsonField& worst) {
  check_both(worst, [](const JsonField& ball) {
    ball.at("radius").number();
    for (const char* found : {"first_order", "ascent"}) {
      const JsonField rise = ball.at(found);
      rise.at("rise").number();
      rise.at("data_error").number();
      check_shares(rise);
    }
  });
}

void check_noise(const JsonField& noise) {
  noise.at("pairs").integer(1);
  check_both(noise, [](const JsonField& average) {
    average.at("sigma").number();
    average.at("rise").number();
    check_error_bars(average.at("error"));
    check_shares(average);
  });
}

template <class Check>
void check_each(const JsonField& object, const char* list, Check check) {
  const auto found = object.find(list);
  if (!found) return;
  for (const JsonField& element : found->elements()) check(element);
}

}  // namespace

void check_perturbation(const JsonField& perturbation) {
  if (const auto eigenvector = perturbation.find("eigenvector")) check_eigenvector(*eigenvector);
  check_each(perturbation, "lower_eigenvectors", check_eigenvector);
  if (const auto gradient = perturbation.find("gradient")) {
    gradient->at("norm").number();
    check_curve(*gradient);
  }
  for (const JsonField& curve : perturbation.at("random").elements()) {
    check_one_of(curve.at("normalisation"), {"none", "filter"});
    curve.at("seed").integer(0);
    check_curve(curve);
  }
  check_each(perturbation, "surfaces", check_surface);
  if (const auto worst = perturbation.find("worst_case")) check_worst_case(*worst);
  if (const auto noise = perturbation.find("noise")) check_noise(*noise);
}

}  // namespace switchyard
