#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/output.h"
#include "app/perturbation_measurement.h"

namespace switchyard {
namespace {

using nlohmann::json;

double number(const json& value) {
  return unsigned_nan(value.is_number() ? value.get<double>()
                                        : std::numeric_limits<double>::quiet_NaN());
}

/// "0.123 ± 0.02", in a column of its own.
std::string with_error(const json& value, const json& half_width) {
  return fmt::format("{:.4g} ± {:.2g}", number(value), number(half_width));
}

std::string curve_text(const std::string& heading, const json& curve) {
  const bool routed = curve.contains("changed");
  std::string text = fmt::format("along {}\n{:>10} {:>12} {:>12} {:>10} {:>10}", heading, "alpha",
                                 "train loss", "test loss", "accuracy", "test");
  text += routed ? fmt::format(" {:>10} {:>10}\n", "changed", "test") : "\n";
  for (std::size_t i = 0; i < curve.at("alphas").size(); ++i) {
    const auto share = [&](const char* quantity, const char* set) {
      return fmt::format(" {:>8.2f} %", 100.0 * number(curve.at(quantity).at(set).at(i)));
    };
    text += fmt::format("{:>10.4g} {:>12.5g} {:>12.5g}", number(curve.at("alphas").at(i)),
                        number(curve.at("train").at(i)), number(curve.at("test").at(i)));
    text += share("accuracy", "train") + share("accuracy", "test");
    if (routed) text += share("changed", "train") + share("changed", "test");
    text += '\n';
  }
  return text;
}

std::string curves_text(const json& section) {
  std::string text;
  const auto add_eigenvector = [&text](int place, const json& curve) {
    text += curve_text(fmt::format("eigenvector {} (eigenvalue {:.5g}, residual {:.1e})", place,
                                   number(curve.at("eigenvalue")), number(curve.at("residual"))),
                       curve);
  };
  if (section.contains("eigenvector")) add_eigenvector(1, section.at("eigenvector"));
  int place = 1;
  for (const json& lower : section.value("lower_eigenvectors", json::array())) {
    add_eigenvector(++place, lower);
  }
  if (section.contains("gradient")) {
    const json& gradient = section.at("gradient");
    text += curve_text(fmt::format("the gradient (norm {:.4g})", number(gradient.at("norm"))),
                       gradient);
  }
  for (const json& random : section.at("random")) {
    text += curve_text(fmt::format("a random direction (normalisation {}, seed {})",
                                   random.at("normalisation").get<std::string>(),
                                   random.at("seed").get<std::uint64_t>()),
                       random);
  }
  return text;
}

/// The range of a surface's losses; the values are for charts.
std::string surface_text(const json& surface) {
  double low = std::numeric_limits<double>::infinity();
  double high = -low;
  for (const json& row : surface.at("test").at("loss")) {
    for (const json& loss : row) {
      low = std::min(low, number(loss));
      high = std::max(high, number(loss));
    }
  }
  return fmt::format("surface of {} and {}: {} x {} points, test loss from {:.4g} to {:.4g}\n",
                     surface.at("x").get<std::string>(), surface.at("y").get<std::string>(),
                     surface.at("x_steps").size(), surface.at("y_steps").size(), low, high);
}

std::string worst_case_text(const json& worst) {
  std::string text = fmt::format(
      "greatest rise of the loss in a ball, at least (± images, 95 %)\n{:>10} {:>22} {:>22} {:>22} "
      "{:>22}\n",
      "radius", "train, first order", "train, ascent", "test, first order", "test, ascent");
  for (std::size_t i = 0; i < worst.at("train").size(); ++i) {
    text += fmt::format("{:>10.4g}", number(worst.at("train").at(i).at("radius")));
    for (const char* set : {"train", "test"}) {
      for (const char* found : {"first_order", "ascent"}) {
        const json& rise = worst.at(set).at(i).at(found);
        text += fmt::format(" {:>22}", with_error(rise.at("rise"), rise.at("data_error")));
      }
    }
    text += '\n';
  }
  return text;
}

/// σ²/2·tr H with the half-width of its trace; "-" where there is none.
std::string second_order_text(const json& curvature, const char* set, double sigma) {
  if (!curvature.is_object()) return "-";
  const json& trace = curvature.at(set).at("trace");
  const double factor = 0.5 * sigma * sigma;
  const json error = trace.value("error", json::object()).value("total", json());
  return with_error(factor * number(trace.at("mean")), factor * number(error));
}

std::string noise_text(const json& noise, const json& curvature) {
  std::string text = fmt::format(
      "mean rise of the loss under Gaussian noise, {} pairs (± both, noise and images, 95 %)\n"
      "{:>10} {:>22} {:>22} {:>22} {:>22}\n",
      noise.at("pairs").get<int>(), "sigma", "train", "sigma²/2·trace", "test", "sigma²/2·trace");
  for (std::size_t i = 0; i < noise.at("train").size(); ++i) {
    const double sigma = number(noise.at("train").at(i).at("sigma"));
    text += fmt::format("{:>10.4g}", sigma);
    for (const char* set : {"train", "test"}) {
      const json& entry = noise.at(set).at(i);
      text +=
          fmt::format(" {:>22} {:>22}", with_error(entry.at("rise"), entry.at("error").at("total")),
                      second_order_text(curvature, set, sigma));
    }
    text += '\n';
  }
  return text;
}

}  // namespace

std::string perturbation_text(const json& section, const json& curvature) {
  std::string text = curves_text(section);
  for (const json& surface : section.at("surfaces")) text += surface_text(surface);
  if (section.contains("worst_case")) text += worst_case_text(section.at("worst_case"));
  if (section.contains("noise")) text += noise_text(section.at("noise"), curvature);
  return text;
}

}  // namespace switchyard
