#include "kernels/cpu/onednn.h"

#include <gtest/gtest.h>

namespace switchyard::kernels {
namespace {

TEST(Onednn, ItsErrorsAreOursAndNameTheOperation) {
  const auto fail = [] { throw dnnl::error(dnnl_out_of_memory, "could not create a primitive"); };
  try {
    onednn::with_errors_of("conv2d", fail);
    FAIL() << "threw nothing";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "[conv2d] oneDNN: could not create a primitive");
  }
  EXPECT_EQ(onednn::with_errors_of("conv2d", [] { return 3; }), 3);
}

}  // namespace
}  // namespace switchyard::kernels
