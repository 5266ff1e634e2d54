#include "kernels/workbench/resources.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace switchyard::kernels::workbench {
namespace {

constexpr const char* kReport = R"(ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function '_ZN1n5firstIfEEvPT_' for 'sm_80'
ptxas info    : Function properties for _ZN1n5firstIfEEvPT_
    16 bytes stack frame, 24 bytes spill stores, 20 bytes spill loads
ptxas info    : Used 47 registers, used 1 barriers, 24 bytes cumulative stack size, 400 bytes cmem[0]
ptxas info    : Compile time = 66.983 ms
ptxas info    : Function properties for called
    8 bytes stack frame, 1 bytes spill stores, 1 bytes spill loads
ptxas info    : Compiling entry function 'second' for 'sm_90'
ptxas info    : Function properties for second
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 24 registers, used 1 barriers, 128 bytes smem, 368 bytes cmem[0]
ptxas info    : Compiling entry function 'third' for 'sm_90'
ptxas info    : Used 24 registers, used 1 barriers, 16 bytes smem, 368 bytes cmem[0]
)";

constexpr const char* kPtx =
    "\177ELF\n.visible .entry _ZN1n5firstIfEEvPT_(\n.param .u64 p\n)\n.maxntid 32, 4, 1\n"
    ".minnctapersm 1\n{\nret;\n}\n.entry second(\n)\n{\n.reg .b32 %r;\n"
    "mov.u32 %r, switchyard_dynamic_shared;\n}\n.entry third(\n)\n{\n"
    "// begin inline asm\n// switchyard_dynamic_shared_bytes 65536\n// end inline asm\n"
    "mov.u32 %r, switchyard_dynamic_shared;\n}\n";

TEST(KernelResources, AreReadFromTheReportAndThePtx) {
  const auto kernels = parse_ptxas_report(kReport, "a.cu", launch_bounds(kPtx));
  ASSERT_EQ(kernels.size(), 3U);
  EXPECT_EQ(kernels[0].source, "a.cu");
  EXPECT_EQ(kernels[0].kernel, "n::first<float>");
  EXPECT_EQ(kernels[0].architecture, "sm_80");
  EXPECT_EQ(kernels[0].block, 128);
  EXPECT_TRUE(kernels[0].is_bounded);
  EXPECT_FALSE(kernels[0].adds_dynamic);
  EXPECT_EQ(kernels[0].registers, 47);
  EXPECT_EQ(kernels[0].stack_bytes, 24);
  EXPECT_EQ(kernels[0].spill_bytes, 46);
  EXPECT_EQ(kernels[0].shared_bytes, 0);
  EXPECT_EQ(kernels[1].kernel, "second");
  EXPECT_EQ(kernels[1].block, kUsualBlock);
  EXPECT_FALSE(kernels[1].is_bounded);
  EXPECT_TRUE(kernels[1].adds_dynamic);
  EXPECT_EQ(kernels[1].registers, 24);
  EXPECT_EQ(kernels[1].shared_bytes, 128);
  EXPECT_FALSE(kernels[2].adds_dynamic);
  EXPECT_EQ(kernels[2].shared_bytes, 65536 + 16);
  EXPECT_TRUE(parse_ptxas_report("", "a.cu", {}).empty());
}

TEST(KernelResources, NamesLoseWhatEveryKernelHas) {
  EXPECT_EQ(short_kernel_name("_ZN10switchyard7kernels12_GLOBAL__N_14copyIfEEvPKT_"),
            "copy<float>");
  EXPECT_EQ(short_kernel_name("not_mangled"), "not_mangled");
}

Occupancy occupancy_of(const char* architecture, int block, int registers, int shared_bytes) {
  return occupancy({.architecture = architecture,
                    .block = block,
                    .registers = registers,
                    .shared_bytes = shared_bytes});
}

/// The expected figures are those of NVIDIA's occupancy calculator.
TEST(KernelResources, OccupancyIsWhatTheCalculatorSays) {
  const Occupancy full = occupancy_of("sm_80", 256, 32, 0);
  EXPECT_EQ(full.blocks, 8);
  EXPECT_EQ(full.share, 1.0);
  const Occupancy half = occupancy_of("sm_90", 256, 64, 0);
  EXPECT_EQ(half.share, 0.5);
  EXPECT_EQ(half.limited_by, "registers");
  EXPECT_EQ(occupancy_of("sm_80", 256, 40, 0).share, 0.75);
  EXPECT_EQ(occupancy_of("sm_80", 256, 33, 0).share, 0.75);  // registers come in portions
  EXPECT_EQ(occupancy_of("sm_80", 32, 16, 0).limited_by, "blocks");
  const Occupancy shared = occupancy_of("sm_80", 256, 32, 48 << 10);
  EXPECT_EQ(shared.blocks, 3);
  EXPECT_EQ(shared.limited_by, "shared memory");
  EXPECT_EQ(occupancy_of("sm_90", 256, 32, 48 << 10).blocks, 4);
  EXPECT_EQ(occupancy_of("sm_90", 1024, 80, 0).blocks, 0);  // cannot be launched
  EXPECT_THROW(occupancy_of("sm_10", 256, 32, 0), std::invalid_argument);
}

}  // namespace
}  // namespace switchyard::kernels::workbench
