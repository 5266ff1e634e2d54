#include "app/subspace_measurement.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>

#include "analysis/curvature/product_journal.h"
#include "analysis/curvature/subspace.h"
#include "app/measured_subject.h"
#include "app/measurement_watch.h"
#include "app/output.h"

namespace switchyard {
namespace {

using nlohmann::json;

constexpr int kUsualVectors = 5;
/// The analysis seed is forked for the start vectors of this measurement.
constexpr std::uint64_t kSubspaceVectors = 19;

/// A name for the products of one model, block and set of images: a hash of all they depend on.
std::string products_name(Classifier& model, const std::vector<Batch>& batches,
                          const std::string& block, const SubspaceRequest& request,
                          const AnalysisConfig& config) {
  return "subspace-" + state_name({{"operator", request.operator_name},
                                   {"block", block},
                                   {"analysis", to_json(config)},
                                   {"subject", measured_subject(model, {{"", batches}})}});
}

/// The measurement on its way: what was computed, and whether it goes on.
class Comparison {
 public:
  Comparison(const AnalysedRun& run, const SubspaceRequest& request, Progress& progress,
             const StopSignal& stop)
      : run_(run), request_(request), watch_(progress, stop, request.time_limit) {
    add_model(run.directory.path(), *run.model);
    for (const std::string& path : request.runs) {
      others_.push_back(load_run(RunDirectory::open(path), run.config.weights, run.config.dtype,
                                 run.model->device()));
      add_model(path, *others_.back().model);
    }
    options_.count = request.top > 0 ? request.top : kUsualVectors;
    options_.max_iterations = run.config.curvature.lanczos.max_iterations;
    options_.tolerance = run.config.curvature.lanczos.tolerance;
    memory_ = run.config.curvature.graph_memory(run.model->device());
  }

  json measure() {
    watch_.begin();
    const std::vector<std::string> blocks =
        request_.blocks.empty() ? std::vector<std::string>{"backbone"} : request_.blocks;
    json section = {{"operator", request_.operator_name},
                    {"dtype", name(run_.config.dtype)},
                    {"seed", run_.config.seed}};
    for (const auto& [set, batches] :
         {std::pair<const char*, const std::vector<Batch>&>{"train", run_.subsets.train},
          {"test", run_.subsets.test}}) {
      for (const std::string& block : blocks) {
        if (complete()) section["sets"][set].push_back(measure_block_on(set, batches, block));
      }
    }
    section["complete"] = complete();
    if (complete()) {
      for (const std::filesystem::path& directory : used_) remove_state(directory);
    }
    return section;
  }

  bool complete() const { return !watch_.stopped(); }
  int products() const { return watch_.products(); }

 private:
  void add_model(const std::filesystem::path& path, Classifier& model) {
    models_.push_back({path.filename().empty() ? path.parent_path().filename().string()
                                               : path.filename().string(),
                       &model,
                       {}});
  }

  json measure_block_on(const std::string& set, const std::vector<Batch>& batches,
                        const std::string& block) {
    for (ComparedModel& model : models_) {
      if (request_.state.empty()) break;
      model.products = std::filesystem::path(request_.state) /
                       products_name(*model.model, batches, block, request_, run_.config);
      if (used_.insert(model.products).second) {
        watch_.expect_kept(kept_products(model.products));
      }
    }
    options_.watch = [&](const EstimateSoFar& estimate) {
      return watch_.goes_on_after(set, estimate);
    };
    const SubspaceComparison comparison = compare_top_subspaces(
        parse_curvature_kind(request_.operator_name), models_, batches, {block},
        Generator(run_.config.seed).fork(kSubspaceVectors), options_, memory_);
    json result = to_json(comparison);
    result["name"] = block;
    return result;
  }

  const AnalysedRun& run_;
  const SubspaceRequest& request_;
  MeasurementWatch watch_;
  std::vector<LoadedRun> others_;
  std::vector<ComparedModel> models_;
  EigenpairOptions options_;
  std::shared_ptr<GraphMemory> memory_;
  std::set<std::filesystem::path> used_;
};

}  // namespace

SubspaceMeasurement measure_subspaces(const AnalysedRun& run, const SubspaceRequest& request,
                                      Progress& progress, const StopSignal& stop) {
  Comparison comparison(run, request, progress, stop);
  SubspaceMeasurement result;
  result.section = comparison.measure();
  result.complete = comparison.complete();
  result.products = comparison.products();
  return result;
}

std::string subspaces_text(const json& section) {
  std::string text =
      fmt::format("top subspaces of the {}, {}\n", section.at("operator").get<std::string>(),
                  section.at("dtype").get<std::string>());
  for (const char* set : {"train", "test"}) {
    if (!section.at("sets").contains(set)) continue;
    for (const json& block : section.at("sets").at(set)) {
      const json& runs = block.at("runs");
      text += fmt::format("\n{}, {}\n", set, block.at("name").get<std::string>());
      for (const json& run : runs) {
        text += fmt::format("  {:<24} {} vectors, eigenvalues from {:.5g} to {:.5g}{}\n",
                            run.at("name").get<std::string>(), run.at("top").at("pairs").size(),
                            run.at("top").at("pairs").front().at("value").get<double>(),
                            run.at("top").at("pairs").back().at("value").get<double>(),
                            run.at("top").at("converged").get<bool>() ? "" : ", not converged");
      }
      for (const json& pair : block.at("pairs")) {
        text += fmt::format("  {} and {}: overlap {:.3f}, {:.1e} by chance; cosines",
                            runs.at(pair.at("a").get<std::size_t>()).at("name").get<std::string>(),
                            runs.at(pair.at("b").get<std::size_t>()).at("name").get<std::string>(),
                            pair.at("overlap").get<double>(), pair.at("by_chance").get<double>());
        for (const json& cosine : pair.at("cosines")) {
          text += fmt::format(" {:.3f}", cosine.get<double>());
        }
        text += '\n';
      }
    }
  }
  return text;
}

}  // namespace switchyard
