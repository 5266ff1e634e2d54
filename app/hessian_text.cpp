#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "app/hessian_measurement.h"
#include "app/output.h"

namespace switchyard {
namespace {

using nlohmann::json;

double number(const json& value) {
  return value.is_number() ? value.get<double>() : std::numeric_limits<double>::quiet_NaN();
}

std::string pairs_text(const char* label, const json& result) {
  std::string text;
  for (const json& pair : result.at("pairs")) {
    text += fmt::format("  {:<10} {:>12.5g} {}\n", label, unsigned_nan(number(pair.at("value"))),
                        error_bars_text(pair.at("error")));
  }
  if (!result.at("converged").get<bool>()) {
    text += fmt::format(
        "  not converged after {} products: another eigenvalue beyond these with a "
        "probability of up to {:.2g}\n",
        result.at("products").get<int>(), number(result.at("missed_probability")));
  }
  return text;
}

std::string shares_text(const json& shares) {
  std::string text = fmt::format("  {:<32} {:>10} {:>14} {:>10} {:>15}\n", "module", "parameters",
                                 "trace", "± probes", "top eigenvector");
  for (const json& share : shares) {
    const auto figure = [&](const char* field, const char* suffix) {
      return share.contains(field) ? fmt::format("{:.4g}{}", number(share.at(field)), suffix)
                                   : std::string("-");
    };
    text +=
        fmt::format("  {:<32} {:>10} {:>14} {:>10} {:>15}\n", share.at("module").get<std::string>(),
                    share.at("parameters").get<std::int64_t>(), figure("trace", ""),
                    figure("trace_error", ""), figure("top_eigenvector", ""));
  }
  return text;
}

std::string spectrum_text(const json& spectrum) {
  const json& values = spectrum.at("values");
  return fmt::format("  spectrum: {} eigenvalues from {:.5g} to {:.5g}, trace {:.5g}\n",
                     values.size(), number(values.front()), number(values.back()),
                     number(spectrum.at("trace")));
}

std::string block_text(const json& block) {
  std::string text = fmt::format("{} ({} parameters)\n", block.at("name").get<std::string>(),
                                 block.at("parameters").get<std::int64_t>());
  if (block.contains("top")) text += pairs_text("largest", block.at("top"));
  if (block.contains("bottom")) text += pairs_text("smallest", block.at("bottom"));
  if (block.contains("trace")) {
    text += fmt::format("  {:<10} {:>12.5g} {}\n", "trace",
                        unsigned_nan(number(block.at("trace").at("mean"))),
                        error_bars_text(block.at("trace").at("error")));
  }
  if (block.contains("density")) {
    const json& density = block.at("density");
    text += fmt::format(
        "  density from {} products, eigenvalues within {:.2g} on average (--json "
        "has the points and a curve)\n",
        density.at("products").get<int>(), number(density.at("resolution")));
  }
  if (block.contains("spectrum")) text += spectrum_text(block.at("spectrum"));
  if (block.contains("shares")) text += shares_text(block.at("shares"));
  return text;
}

std::string experts_text(const json& experts) {
  std::string text;
  for (const json& expert : experts) {
    text += fmt::format("on the {} images of its own: ", expert.at("images").get<std::int64_t>());
    text += expert.contains("curvature")
                ? block_text(expert.at("curvature"))
                : fmt::format("expert {} has none\n", expert.at("expert").get<std::int64_t>());
  }
  return text;
}

std::string boundary_text(const json& mass) {
  std::string text = "images whose choice changes when logits move by w\n";
  const std::size_t last = mass.at("width").size() - 1;
  for (const std::size_t i : {last / 40, last / 8, last / 4, last / 2}) {
    text += fmt::format("  w = {:<10.4g} {:>6.1f} % ± {:.1f}\n", number(mass.at("width")[i]),
                        100.0 * number(mass.at("share")[i]),
                        196.0 * number(mass.at("standard_error")[i]));
  }
  return text;
}

}  // namespace

std::string error_bars_text(const json& error) {
  const auto bar = [&](const char* name) {
    const double value = number(error.at(name));
    return std::isnan(value) ? std::string("unknown") : fmt::format("{:.2g}", value);
  };
  return fmt::format("± {} (probes {}, iteration {}, images {})", bar("total"), bar("probe"),
                     bar("iteration"), bar("data"));
}

std::string hessian_text(const json& section) {
  std::string text =
      fmt::format("{} of the mean cross-entropy, {}\n", section.at("operator").get<std::string>(),
                  section.at("dtype").get<std::string>());
  if (section.contains("sets")) {
    for (const auto& [name, set] : section.at("sets").items()) {
      text += fmt::format("\n{}: {} images in {} batches\n", name,
                          set.at("images").get<std::int64_t>(), set.at("batches").get<int>());
      if (set.contains("blocks")) {
        for (const json& block : set.at("blocks")) text += block_text(block);
      }
      if (set.contains("experts")) text += experts_text(set.at("experts"));
      if (set.contains("boundary_mass")) text += boundary_text(set.at("boundary_mass"));
    }
  }
  if (section.contains("principal_cosines")) {
    for (const json& block : section.at("principal_cosines")) {
      text += fmt::format("\nprincipal cosines of the sets' top vectors, {}:",
                          block.at("block").get<std::string>());
      for (const json& cosine : block.at("cosines")) text += fmt::format(" {:.3f}", number(cosine));
      text += '\n';
    }
  }
  if (!section.contains("graph_memory")) return text;  // of a run's `spectra`
  const json& memory = section.at("graph_memory");
  text += fmt::format("\ngradient graphs: at most {:.2f} GB kept, no room for one {} times\n",
                      number(memory.at("limit_bytes")) / 1e9,
                      memory.at("rebuilt_graphs").get<std::int64_t>());
  return text;
}

}  // namespace switchyard
