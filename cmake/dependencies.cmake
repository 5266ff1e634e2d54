# Libraries, all from apt; packages.apt lists the packages. cmake/SwitchyardConfig.cmake.in asks
# for the same ones on behalf of a program that uses the installed package.

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(DNNL REQUIRED)
find_package(Eigen3 3.3 REQUIRED NO_MODULE)
find_package(Boost 1.74 REQUIRED)  # headers: Boost.Math
find_package(fmt REQUIRED)
find_package(nlohmann_json 3.9 REQUIRED)
find_package(CLI11 REQUIRED)
find_package(ZLIB REQUIRED)
find_package(CURL REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(LibArchive REQUIRED)
if(SWITCHYARD_TESTS)
  find_package(GTest REQUIRED)
endif()

# The threads behind kernels/cpu/parallel.h: libgomp, the runtime that oneDNN uses, so that both
# share one pool.
if(SWITCHYARD_SANITIZE MATCHES "thread" OR SWITCHYARD_FUZZ)
  set(SWITCHYARD_THREADING Threads::Threads)
else()
  find_package(OpenMP REQUIRED COMPONENTS CXX)
  set(SWITCHYARD_THREADING OpenMP::OpenMP_CXX Threads::Threads)
endif()
