#ifdef SWITCHYARD_CUDNN

#include "kernels/cuda/cudnn/cudnn.h"

#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "kernels/cuda/conv2d_library.h"
#include "kernels/cuda/parts.h"
#include "tests/kernels/cuda_runtime/cuda_test.h"
#include "tests/support/expect_error.h"

// cuDNN makes plans for a GPU that is only described to it, so everything but the execution is the
// installed library's own work here.

namespace switchyard::test {
namespace {

using namespace kernels;

std::string h100() {
  return R"({"deviceName": "NVIDIA H100 80GB HBM3", "deviceVer": 900, "driverVer": 13000,
    "multiProcessorCount": 132, "warpSize": 32, "maxGridSize": [2147483647, 65535, 65535],
    "maxBlockSize": [1024, 1024, 64], "maxThreadsPerBlock": 1024, "maxThreadsPerSM": 2048,
    "maxCtasPerSM": 32, "regsPerBlock": 65536, "maxRegistersPerSM": 65536,
    "maxSharedMemoryPerBlock": 49152, "maxSharedMemoryPerBlockOptin": 232448,
    "reservedSharedMemoryPerBlock": 1024, "totalGlobalMem": 85017493504, "l2CacheSize": 52428800,
    "smClockRateKHz": 1980000, "memClockRateKHz": 2619000, "cudaDeviceId": 0, "pciDeviceId": 0,
    "isTccDriver": 0, "supportCoopLaunch": 1})";
}

std::string a100() {
  return R"({"deviceName": "NVIDIA A100-SXM4-80GB", "deviceVer": 800, "driverVer": 13000,
    "multiProcessorCount": 108, "warpSize": 32, "maxGridSize": [2147483647, 65535, 65535],
    "maxBlockSize": [1024, 1024, 64], "maxThreadsPerBlock": 1024, "maxThreadsPerSM": 2048,
    "maxCtasPerSM": 32, "regsPerBlock": 65536, "maxRegistersPerSM": 65536,
    "maxSharedMemoryPerBlock": 49152, "maxSharedMemoryPerBlockOptin": 166912,
    "reservedSharedMemoryPerBlock": 1024, "totalGlobalMem": 85899345920, "l2CacheSize": 41943040,
    "smClockRateKHz": 1410000, "memClockRateKHz": 1593000, "cudaDeviceId": 0, "pciDeviceId": 0,
    "isTccDriver": 0, "supportCoopLaunch": 1})";
}

CudnnDescriptor described(const std::string& json) {
  CudnnDescriptor device(cudnn_functions(), CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  device.set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, std::string_view(json)).finalize();
  return device;
}

constexpr std::array kFaces = {ConvFace::kForward, ConvFace::kInputGrad, ConvFace::kWeightGrad};

/// The convolutions of a ResNet on small images, and odd ones.
std::vector<ConvShape> shapes() {
  const auto shape = [](std::int64_t batch, std::int64_t size, std::int64_t channels,
                        std::int64_t filters, std::int64_t kernel, std::int64_t stride,
                        std::int64_t padding) {
    return ConvShape{.batch = batch,
                     .height = size,
                     .width = size + 1,
                     .channels = channels,
                     .filters = filters,
                     .kernel_height = kernel,
                     .kernel_width = kernel,
                     .stride = stride,
                     .padding = padding};
  };
  return {shape(128, 32, 3, 64, 3, 1, 1),  shape(128, 32, 64, 64, 3, 1, 1),
          shape(16, 32, 64, 128, 3, 2, 1), shape(16, 32, 64, 128, 1, 2, 0),
          shape(3, 9, 5, 7, 3, 1, 1),      shape(1, 1, 1, 1, 1, 1, 0),
          shape(2, 11, 3, 5, 5, 2, 2)};
}

TEST(ConvPlanTest, CudnnHasAnAcceptableEngineForEveryFaceAndDtype) {
  for (const std::string& json : {h100(), a100()}) {
    const CudnnDescriptor device = described(json);
    for (const ConvShape& shape : shapes()) {
      for (const ConvFace face : kFaces) {
        for (const bool is_double : {false, true}) {
          const std::int64_t unaligned = is_double ? 8 : 4;
          for (const std::int64_t alignment : {std::int64_t{16}, unaligned}) {
            const ConvQuestion question{face, shape, is_double, alignment};
            EXPECT_NO_THROW(ConvPlan(cudnn_functions(), device, question));
          }
        }
      }
    }
  }
}

TEST(ConvPlanTest, WhatCudnnCannotIsAnErrorWithTheSizes) {
  const CudnnDescriptor device = described(h100());
  ConvQuestion question{.face = ConvFace::kInputGrad, .shape = shapes()[0]};
  question.shape.batch = std::int64_t{1} << 40;
  const std::string text =
      error_text<CudaError>([&] { ConvPlan(cudnn_functions(), device, question); });
  EXPECT_TRUE(text.starts_with("[conv2d] ")) << text;
}

TEST(ConvPlanTest, OnlyExactDeterministicEnginesAreAcceptable) {
  using Notes = std::vector<cudnnBackendNumericalNote_t>;
  EXPECT_TRUE(acceptable(Notes{}, false));
  EXPECT_TRUE(acceptable(Notes{CUDNN_NUMERICAL_NOTE_FFT}, false));
  EXPECT_TRUE(acceptable(
      Notes{CUDNN_NUMERICAL_NOTE_WINOGRAD, CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4}, false));
  EXPECT_TRUE(acceptable(Notes{CUDNN_NUMERICAL_NOTE_TENSOR_CORE}, true));
  EXPECT_FALSE(acceptable(Notes{CUDNN_NUMERICAL_NOTE_TENSOR_CORE}, false));
  for (const auto note :
       {CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC, CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS,
        CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION, CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6}) {
    EXPECT_FALSE(acceptable(Notes{CUDNN_NUMERICAL_NOTE_FFT, note}, true)) << note;
  }
}

TEST(ConvPlanTest, TheAlignmentIsWhatAllOperandsShare) {
  const auto aligned = [](std::initializer_list<std::uintptr_t> addresses) {
    std::vector<const void*> pointers;
    for (const std::uintptr_t a : addresses) pointers.push_back(reinterpret_cast<const void*>(a));
    return common_alignment(pointers);
  };
  EXPECT_EQ(aligned({256, 512, 1024}), 16);
  EXPECT_EQ(aligned({256, 512 + 8, 1024}), 8);
  EXPECT_EQ(aligned({256 + 4, 512 + 8, 1024}), 4);
}

// ---- the way from the entry point to the execution, which alone is replaced

/// Holds what a variant pack was given.
struct Execution {
  std::vector<std::int64_t> ids;
  std::vector<void*> operands;
  std::vector<void*> workspace;
};
Execution pack;
std::vector<Execution> executions;

template <class T>
void keep(std::vector<T>& into, std::int64_t count, const void* values) {
  const auto* const first = static_cast<const T*>(values);
  into.assign(first, first + count);
}

cudnnStatus_t set_attribute(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                            cudnnBackendAttributeType_t type, std::int64_t count,
                            const void* values) {
  const auto set = cudnn_functions().set_attribute;
  if (name == CUDNN_ATTR_DEVICEPROP_HANDLE) {
    const std::string json = h100();
    return set(descriptor, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
               static_cast<std::int64_t>(json.size()), json.data());
  }
  if (name == CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS) keep(pack.ids, count, values);
  if (name == CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS) keep(pack.operands, count, values);
  if (name == CUDNN_ATTR_VARIANT_PACK_WORKSPACE) keep(pack.workspace, count, values);
  return set(descriptor, name, type, count, values);
}

CudnnFunctions without_execution() {
  CudnnFunctions f = cudnn_functions();
  f.create = [](cudnnHandle_t* handle) {
    *handle = reinterpret_cast<cudnnHandle_t>(&executions);
    return CUDNN_STATUS_SUCCESS;
  };
  f.destroy = [](cudnnHandle_t) { return CUDNN_STATUS_SUCCESS; };
  f.set_stream = [](cudnnHandle_t, cudaStream_t) { return CUDNN_STATUS_SUCCESS; };
  f.set_attribute = set_attribute;
  f.execute = [](cudnnHandle_t, cudnnBackendDescriptor_t, cudnnBackendDescriptor_t) {
    executions.push_back(pack);
    return CUDNN_STATUS_SUCCESS;
  };
  return f;
}

class CudnnTest : public CudaTest {
 protected:
  CudnnTest() {
    executions.clear();
    cuda_.parts->cudnn = std::make_shared<Cudnn>(functions_, cuda_.stream);
  }

  CudnnFunctions functions_ = without_execution();
  Cuda cuda_;
};

TEST_F(CudnnTest, EachFaceBindsItsOperands) {
  alignas(16) static float first[1], second[1], result[1];
  void* const f = first;
  void* const s = second;
  void* const r = result;
  const ConvShape shape = shapes()[4];
  conv2d_cudnn(cuda_, Conv2d<float>{shape, first, second, result});
  conv2d_cudnn(cuda_, Conv2dInputGrad<float>{shape, first, second, result});
  conv2d_cudnn(cuda_, Conv2dWeightGrad<float>{shape, first, second, result});
  ASSERT_EQ(executions.size(), 3U);
  EXPECT_EQ(executions[0].operands, (std::vector<void*>{f, s, r}));  // x, w -> y
  EXPECT_EQ(executions[1].operands, (std::vector<void*>{r, s, f}));  // gy, w -> gx
  EXPECT_EQ(executions[2].operands, (std::vector<void*>{f, r, s}));  // x, gy -> gw
  for (const Execution& execution : executions) {
    EXPECT_EQ(execution.ids, (std::vector<std::int64_t>{1, 2, 3}));  // x, w, y
    ASSERT_EQ(execution.workspace.size(), 1U);
    EXPECT_NE(execution.workspace[0], nullptr);
  }
  EXPECT_EQ(memory_stats(cuda_).live, 0U);  // workspaces were given back
}

TEST_F(CudnnTest, WhereItCannotBeStartedTheErrorSaysSo) {
  Cuda fresh;  // with the real cuDNN, which finds no GPU
  if (cudnnHandle_t handle = nullptr; cudnn_functions().create(&handle) == CUDNN_STATUS_SUCCESS) {
    cudnn_functions().destroy(handle);
    GTEST_SKIP() << "there is a GPU";
  }
  expect_error<CudaError>([&] { start_cudnn(fresh); }, "[conv2d] cudnnCreate: CUDNN_STATUS_");
}

TEST_F(CudnnTest, EmptySumsAreZerosWithoutCudnn) {
  ConvShape shape = shapes()[4];
  shape.channels = 0;
  std::vector<double> y(static_cast<std::size_t>(shape.y_size()), 1.0);
  const double* const none = nullptr;
  conv2d_cudnn(cuda_, Conv2d<double>{shape, none, none, y.data()});
  synchronise(cuda_);
  EXPECT_EQ(y, std::vector<double>(y.size(), 0.0));
  shape = shapes()[4];
  shape.batch = 0;
  std::vector<double> gw(static_cast<std::size_t>(shape.w_size()), 1.0);
  conv2d_cudnn(cuda_, Conv2dWeightGrad<double>{shape, none, none, gw.data()});
  synchronise(cuda_);
  EXPECT_EQ(gw, std::vector<double>(gw.size(), 0.0));
  EXPECT_TRUE(executions.empty());
}

TEST_F(CudnnTest, AFailedExecutionNamesTheCallAndGivesTheWorkspaceBack) {
  functions_.execute = [](auto...) { return CUDNN_STATUS_EXECUTION_FAILED; };
  alignas(16) float data[1] = {};
  const std::string text = error_text<CudaError>([&] {
    conv2d_cudnn(cuda_, Conv2d<float>{shapes()[4], data, data, data});
  });
  EXPECT_TRUE(text.starts_with("[conv2d] cudnnBackendExecute: CUDNN_STATUS_EXECUTION_FAILED"))
      << text;
  EXPECT_EQ(memory_stats(cuda_).live, 0U);
}

}  // namespace
}  // namespace switchyard::test

#else

#include "kernels/cuda/conv2d_library.h"
#include "tests/kernels/cuda_runtime/cuda_test.h"
#include "tests/support/expect_error.h"

namespace switchyard::test {
namespace {

TEST_F(CudaTest, WithoutCudnnItCannotBeStarted) {
  kernels::Cuda cuda;
  expect_error<kernels::CudaError>([&] { kernels::start_cudnn(cuda); },
                                   "[conv2d] this build has no cuDNN");
}

}  // namespace
}  // namespace switchyard::test

#endif
