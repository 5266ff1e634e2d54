#include "kernels/cuda/gpus.h"

#include "kernels/cuda/architectures.h"
#include "tests/kernels/cuda_runtime/cuda_test.h"

namespace switchyard::test {
namespace {

using namespace kernels;

TEST(ArchitecturesTest, MachineCodeRunsWithinItsMajorNumberAndPtxOnAllLater) {
  const char* const both = "80-real,90-real,90-virtual";
  EXPECT_TRUE(runs_on(both, 8, 0));
  EXPECT_TRUE(runs_on(both, 8, 9));
  EXPECT_TRUE(runs_on(both, 9, 0));
  EXPECT_TRUE(runs_on(both, 12, 1));  // by PTX
  EXPECT_FALSE(runs_on(both, 7, 5));
  EXPECT_FALSE(runs_on("86-real", 8, 0));
  EXPECT_FALSE(runs_on("80-real", 9, 0));
  EXPECT_TRUE(runs_on("80-virtual", 9, 0));
  EXPECT_TRUE(runs_on("80", 12, 0));
  EXPECT_TRUE(runs_on("90a", 9, 0));
  EXPECT_FALSE(runs_on("90a", 10, 0));
  EXPECT_FALSE(runs_on("", 9, 0));
  EXPECT_TRUE(runs_on("native", 7, 5));  // unknown: a launch finds out
}

TEST(ArchitecturesTest, TheReasonSaysWhatTheGpuIsAndWhatWasCompiled) {
  EXPECT_EQ(unsupported_reason("80-real,90-real,90-virtual", 9, 0), "");
  EXPECT_EQ(unsupported_reason("80-real,90-real,90-virtual", 7, 5),
            "compute capability 7.5 is too old: this build is compiled for 8.0, 9.0");
  EXPECT_EQ(unsupported_reason("80-real,90-real", 10, 0),
            "compute capability 10.0 is not covered: this build is compiled for 8.0, 9.0");
}

using GpusTest = CudaTest;

TEST_F(GpusTest, EveryGpuIsListed) {
  fake_.gpus = 2;
  const GpuSurvey survey = survey_gpus();
  EXPECT_EQ(survey.reason, "");
  ASSERT_EQ(survey.gpus.size(), 2U);
  EXPECT_EQ(survey.gpus[1].index, 1);
  EXPECT_EQ(survey.gpus[1].name, "Fake GPU");
  EXPECT_EQ(survey.gpus[1].multiprocessors, 7);
  EXPECT_EQ(survey.gpus[1].memory_bytes, fake_.total_bytes);
  EXPECT_EQ(unavailable_reason(survey), "");
  EXPECT_EQ(description(survey.gpus[0]),
            "Fake GPU, 0.1 GiB, compute capability 9.0, 7 multiprocessors");
}

TEST_F(GpusTest, TheReasonForNoGpuTellsDriverFromDevice) {
  fake_.count_status = cudaErrorNoDevice;
  EXPECT_EQ(unavailable_reason(survey_gpus()), "no GPU: no CUDA-capable device is detected");
  fake_.count_status = cudaErrorInsufficientDriver;
  fake_.driver_version = 12040;
  EXPECT_EQ(unavailable_reason(survey_gpus()),
            "the NVIDIA driver speaks CUDA 12.4, this build needs 13.0");
  fake_.driver_version = 0;  // what the runtime says where libcuda.so.1 is missing
  EXPECT_EQ(unavailable_reason(survey_gpus()), "no NVIDIA driver (libcuda.so.1) on this machine");
  fake_.reset();
  fake_.gpus = 0;
  EXPECT_EQ(unavailable_reason(survey_gpus()), "no GPU: no CUDA-capable device is detected");
}

TEST_F(GpusTest, AnOldGpuIsListedButNotUsed) {
  fake_.major = 7;
  fake_.minor = 5;
  const GpuSurvey survey = survey_gpus();
  ASSERT_EQ(survey.gpus.size(), 1U);
  EXPECT_TRUE(unavailable_reason(survey).starts_with(
      "GPU 0 (Fake GPU) cannot be used: compute capability 7.5 is too old"))
      << unavailable_reason(survey);
}

TEST_F(GpusTest, AGpuThatCannotBeAskedIsListedWithTheReason) {
  fake_.fail_once["cudaGetDeviceProperties"] = cudaErrorInvalidValue;
  const GpuSurvey survey = survey_gpus();
  ASSERT_EQ(survey.gpus.size(), 1U);
  EXPECT_EQ(survey.gpus[0].unusable, "cudaGetDeviceProperties: invalid argument");
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
}

TEST_F(GpusTest, AnExecutorKnowsItsDevicesLimits) {
  const Cuda cuda;
  EXPECT_EQ(cuda.limits.threads_per_block, 1024U);
  EXPECT_EQ(cuda.limits.grid, (Dim3{2147483647U, 65535, 65535}));
  EXPECT_EQ(cuda.limits.dynamic_shared_bytes, 232448U);
  EXPECT_EQ(cuda.limits.multiprocessors, 7);
}

}  // namespace
}  // namespace switchyard::test
