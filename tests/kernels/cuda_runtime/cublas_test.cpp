#include "kernels/cuda/cublas.h"

#include <random>
#include <vector>

#include "kernels/cuda/matmul_library.h"
#include "kernels/cuda/parts.h"
#include "tests/kernels/cuda_runtime/cuda_test.h"
#include "tests/support/expect_error.h"

namespace switchyard::test {
namespace {

using namespace kernels;

cudaStream_t stream_of_cublas = nullptr;

/// cuBLAS with its contract: column-major matrices, dimensions checked as BLAS does, in order with
/// the stream's other work, which is done first because this computes at once.
template <class T>
cublasStatus_t gemm(cublasHandle_t, cublasOperation_t op_x, cublasOperation_t op_y, std::int64_t m,
                    std::int64_t n, std::int64_t k, const T* alpha, const T* x, std::int64_t ld_x,
                    const T* y, std::int64_t ld_y, const T* beta, T* c, std::int64_t ld_c) {
  if (cudaStreamSynchronize(stream_of_cublas) != cudaSuccess) return CUBLAS_STATUS_INTERNAL_ERROR;
  const bool tx = op_x == CUBLAS_OP_T;
  const bool ty = op_y == CUBLAS_OP_T;
  if (ld_x < (tx ? k : m) || ld_y < (ty ? n : k) || ld_c < m) return CUBLAS_STATUS_INVALID_VALUE;
  for (std::int64_t j = 0; j < n; ++j) {
    for (std::int64_t i = 0; i < m; ++i) {
      T sum{0};
      for (std::int64_t d = 0; d < k; ++d) {
        sum += (tx ? x[d + i * ld_x] : x[i + d * ld_x]) * (ty ? y[j + d * ld_y] : y[d + j * ld_y]);
      }
      T& out = c[i + j * ld_c];
      out = *beta == T{0} ? *alpha * sum : *alpha * sum + *beta * out;
    }
  }
  return CUBLAS_STATUS_SUCCESS;
}

int handles = 0;

CublasFunctions reference() {
  CublasFunctions f{};
  f.create = [](cublasHandle_t* handle) {
    *handle = reinterpret_cast<cublasHandle_t>(&handles);
    ++handles;
    return CUBLAS_STATUS_SUCCESS;
  };
  f.destroy = [](cublasHandle_t) {
    --handles;
    return CUBLAS_STATUS_SUCCESS;
  };
  f.set_stream = [](cublasHandle_t, cudaStream_t stream) {
    stream_of_cublas = stream;
    return CUBLAS_STATUS_SUCCESS;
  };
  f.set_math_mode = [](cublasHandle_t, cublasMath_t mode) {
    return mode == CUBLAS_DEFAULT_MATH ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
  };
  f.set_atomics_mode = [](cublasHandle_t, cublasAtomicsMode_t mode) {
    return mode == CUBLAS_ATOMICS_NOT_ALLOWED ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
  };
  f.sgemm = gemm<float>;
  f.dgemm = gemm<double>;
  f.status_text = [](cublasStatus_t) { return "a status"; };
  return f;
}

std::vector<double> random_numbers(std::int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  std::vector<double> numbers(static_cast<std::size_t>(count));
  for (double& number : numbers) number = normal(random);
  return numbers;
}

/// Device memory is host memory here.
template <class T>
class CublasTest : public CudaTest {
 protected:
  CublasTest() { cuda_.parts->cublas = std::make_unique<Cublas>(functions_, cuda_.stream); }

  /// adds: 0 nothing, 1 what c holds, 2 another matrix.
  void expect_product(const MatmulShape& s, int adds = 0) {
    const auto a64 = random_numbers(s.m * s.k, 1);
    const auto b64 = random_numbers(s.k * s.n, 2);
    const std::vector<T> a(a64.begin(), a64.end());
    const std::vector<T> b(b64.begin(), b64.end());
    const auto addend64 = random_numbers(s.m * s.n, 3);
    const std::vector<T> addend(addend64.begin(), addend64.end());
    std::vector<T> c(addend.size(), std::numeric_limits<T>::quiet_NaN());
    if (adds == 1) c = addend;
    matmul_cublas(cuda_, Matmul<T>{.shape = s,
                                   .a = a.data(),
                                   .b = b.data(),
                                   .c = c.data(),
                                   .addend = adds == 0   ? nullptr
                                             : adds == 1 ? c.data()
                                                         : addend.data()});
    synchronise(cuda_);
    for (std::int64_t i = 0; i < s.m; ++i) {
      for (std::int64_t j = 0; j < s.n; ++j) {
        double sum = adds == 0 ? 0.0 : double{addend[static_cast<std::size_t>(i * s.n + j)]};
        for (std::int64_t d = 0; d < s.k; ++d) {
          const T left = a[static_cast<std::size_t>(s.transpose_a ? d * s.m + i : i * s.k + d)];
          const T right = b[static_cast<std::size_t>(s.transpose_b ? j * s.k + d : d * s.n + j)];
          sum += double{left} * double{right};
        }
        const double got = double{c[static_cast<std::size_t>(i * s.n + j)]};
        ASSERT_TRUE(std::abs(got - sum) <= 1e-4) << i << ", " << j << ": " << got << " for " << sum;
      }
    }
  }

  CublasFunctions functions_ = reference();
  Cuda cuda_;
};

using Floats = testing::Types<float, double>;
TYPED_TEST_SUITE(CublasTest, Floats);

TYPED_TEST(CublasTest, RowMajorProductsWithEveryTransposition) {
  for (const auto& [m, n, k] : {std::array{1, 1, 1},
                                {3, 5, 7},
                                {7, 5, 3},
                                {1, 9, 4},
                                {9, 1, 4},
                                {31, 33, 1},
                                {16, 16, 16}}) {
    for (const bool ta : {false, true}) {
      for (const bool tb : {false, true}) {
        SCOPED_TRACE(testing::Message() << m << " " << n << " " << k << " " << ta << tb);
        for (const int adds : {0, 1, 2}) this->expect_product({m, n, k, ta, tb}, adds);
      }
    }
  }
}

TYPED_TEST(CublasTest, EmptySumsAreZerosAndEmptyResultsNothing) {
  for (const bool transposed : {false, true}) {
    for (const int adds : {0, 1, 2}) this->expect_product({4, 3, 0, transposed, transposed}, adds);
    this->expect_product({0, 3, 5, transposed, transposed});
    this->expect_product({4, 0, 5, transposed, transposed});
    this->expect_product({0, 0, 0, transposed, transposed});
  }
}

TYPED_TEST(CublasTest, FailuresNameTheCall) {
  this->functions_.sgemm = [](auto...) { return CUBLAS_STATUS_EXECUTION_FAILED; };
  this->functions_.dgemm = [](auto...) { return CUBLAS_STATUS_EXECUTION_FAILED; };
  const std::string call = std::is_same_v<TypeParam, float> ? "cublasSgemm" : "cublasDgemm";
  EXPECT_EQ(error_text<CudaError>([&] {
              this->expect_product({2, 2, 2, false, false});
            }),
            "[matmul] " + call + ": a status");
}

TYPED_TEST(CublasTest, AHandleThatCannotBeSetUpIsGivenBack) {
  const int before = handles;
  this->functions_.set_stream = [](cublasHandle_t, cudaStream_t) {
    return CUBLAS_STATUS_INTERNAL_ERROR;
  };
  expect_error<CudaError>([&] { Cublas(this->functions_, nullptr); }, "[matmul] cublasSetStream");
  EXPECT_EQ(handles, before);
}

// This test opens the library itself, which needs no GPU for that.
TEST(InstalledCublasTest, HasEveryFunction) {
  const CublasFunctions& functions = cublas_functions();
  EXPECT_STREQ(functions.status_text(CUBLAS_STATUS_NOT_INITIALIZED),
               "the library was not initialized");
}

}  // namespace
}  // namespace switchyard::test
