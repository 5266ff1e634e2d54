#include "engine/core/threads.h"

#include "engine/core/check.h"
#include "kernels/cpu/parallel.h"

namespace switchyard {

int thread_count() { return kernels::thread_count(); }

void set_thread_count(int count) {
  check<UsageError>(count >= 1, "needs at least 1 thread, got {}", count);
  kernels::set_thread_count(count);
}

void parallel_for(std::int64_t count, std::int64_t grain,
                  const std::function<void(std::int64_t, std::int64_t)>& body) {
  kernels::parallel_for(count, grain, body);
}

void parallel_chunks(std::int64_t count, std::int64_t chunk_size,
                     const std::function<void(std::int64_t, std::int64_t, std::int64_t)>& body) {
  kernels::parallel_chunks(count, chunk_size, body);
}

}  // namespace switchyard
