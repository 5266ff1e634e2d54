#include "analysis/moe_bench/page.h"

#include <nlohmann/json.hpp>

#include "analysis/report/assets.h"
#include "analysis/report/report.h"

namespace switchyard::moe_bench {

std::string bench_page(const nlohmann::json& results) {
  return render_page("Mixture-of-experts benchmark", results,
                     {report_assets::figures_js, report_assets::bench_js});
}

}  // namespace switchyard::moe_bench
