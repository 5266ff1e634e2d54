#include "kernels/cpu/parallel.h"

#include <algorithm>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#ifndef SWITCHYARD_SANITIZE_THREAD
#include <omp.h>
#endif

namespace switchyard::kernels {
namespace {

/// Runs task(index) for index in [0, tasks) on as many threads; keeps the first exception.
void run_tasks(int tasks, const std::function<void(int)>& task) {
  std::exception_ptr failure;
  std::mutex failure_mutex;
  const auto guarded = [&](int index) {
    try {
      task(index);
    } catch (...) {
      const std::lock_guard lock(failure_mutex);
      if (!failure) failure = std::current_exception();
    }
  };
#ifdef SWITCHYARD_SANITIZE_THREAD
  // ThreadSanitizer cannot see libgomp's synchronisation; plain threads it can.
  std::vector<std::thread> threads;
  for (int index = 1; index < tasks; ++index) threads.emplace_back(guarded, index);
  guarded(0);
  for (std::thread& thread : threads) thread.join();
#else
#pragma omp parallel for schedule(static, 1) num_threads(tasks)
  for (int index = 0; index < tasks; ++index) guarded(index);
#endif
  if (failure) std::rethrow_exception(failure);
}

bool inside_parallel_region() {
#ifdef SWITCHYARD_SANITIZE_THREAD
  return false;
#else
  return omp_in_parallel() != 0;
#endif
}

#ifdef SWITCHYARD_SANITIZE_THREAD
int configured_threads = static_cast<int>(std::max(2U, std::thread::hardware_concurrency()));
#endif

}  // namespace

int thread_count() {
#ifdef SWITCHYARD_SANITIZE_THREAD
  return configured_threads;
#else
  return omp_get_max_threads();
#endif
}

void set_thread_count(int count) {
  if (count < 1) throw std::invalid_argument("the thread count must be at least 1");
#ifdef SWITCHYARD_SANITIZE_THREAD
  configured_threads = count;
#else
  omp_set_num_threads(count);
#endif
}

void parallel_for(std::int64_t count, std::int64_t grain,
                  const std::function<void(std::int64_t, std::int64_t)>& body) {
  if (count <= 0) return;
  const std::int64_t most = (count + grain - 1) / std::max<std::int64_t>(grain, 1);
  const auto tasks = static_cast<int>(std::min<std::int64_t>(most, thread_count()));
  if (tasks <= 1 || inside_parallel_region()) {
    body(0, count);
    return;
  }
  run_tasks(tasks, [&](int index) {
    const std::int64_t begin = count * index / tasks;
    const std::int64_t end = count * (index + 1) / tasks;
    if (begin < end) body(begin, end);
  });
}

void parallel_chunks(std::int64_t count, std::int64_t chunk_size,
                     const std::function<void(std::int64_t, std::int64_t, std::int64_t)>& body) {
  const std::int64_t chunks = (count + chunk_size - 1) / chunk_size;
  parallel_for(chunks, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t chunk = first; chunk < last; ++chunk) {
      body(chunk, chunk * chunk_size, std::min(count, (chunk + 1) * chunk_size));
    }
  });
}

#ifdef SWITCHYARD_SANITIZE_THREAD
// The library's own OpenMP is limited to one thread from outside (cmake/tests.cmake).
SingleThread::SingleThread() : previous_(0) {}
SingleThread::~SingleThread() = default;
#else
// The limit is a property of the calling thread, not of the process.
SingleThread::SingleThread() : previous_(omp_get_max_threads()) { omp_set_num_threads(1); }
SingleThread::~SingleThread() { omp_set_num_threads(previous_); }
#endif

}  // namespace switchyard::kernels
