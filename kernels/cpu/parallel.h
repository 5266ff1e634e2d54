#pragma once

#include <cstdint>
#include <functional>

namespace switchyard::kernels {

/// Worker threads used by host kernels, oneDNN included. Default: OMP_NUM_THREADS or the cores
/// present.
int thread_count();
/// Error text in an std::invalid_argument when count < 1.
void set_thread_count(int count);

/// Calls body(begin, end) on contiguous chunks of at least `grain` items that cover [0, count), in
/// parallel when there is more than one chunk. A body must only write what belongs to its items.
/// Exceptions thrown by a body are rethrown in the caller.
void parallel_for(std::int64_t count, std::int64_t grain,
                  const std::function<void(std::int64_t, std::int64_t)>& body);

/// Calls body(chunk, begin, end) for every fixed-size chunk of `chunk_size` items (the last may be
/// shorter): the partition depends on the data only, never on the thread count, so per-chunk
/// partial results that the caller adds in chunk order give the same bits on any number of threads.
void parallel_chunks(std::int64_t count, std::int64_t chunk_size,
                     const std::function<void(std::int64_t, std::int64_t, std::int64_t)>& body);

/// Within its scope library calls made by this thread (oneDNN) run on this thread alone.
class SingleThread {
 public:
  SingleThread();
  ~SingleThread();
  SingleThread(const SingleThread&) = delete;
  SingleThread& operator=(const SingleThread&) = delete;

 private:
  int previous_;
};

}  // namespace switchyard::kernels
