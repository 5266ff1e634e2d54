#pragma once

#include <gtest/gtest.h>

#include "kernels/api/device.h"
#include "kernels/cuda/stream.h"
#include "tests/kernels/cuda_runtime/fake_cuda.h"

namespace switchyard::test {

/// Tests of what surrounds the CUDA runtime, on a fake of it.
class CudaTest : public testing::Test {
 protected:
  CudaTest() { fake_.reset(); }
  FakeCuda& fake_ = FakeCuda::instance();
};

}  // namespace switchyard::test
