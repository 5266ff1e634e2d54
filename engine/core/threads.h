#pragma once

#include <cstdint>
#include <functional>

// The worker threads of the host: those of the device cpu, and those that run the blocks of simt.

namespace switchyard {

/// Returns how many threads there are. Default: OMP_NUM_THREADS or the cores present.
int thread_count();
/// Throws UsageError when count < 1.
void set_thread_count(int count);

/// Calls body(begin, end) on contiguous chunks of at least `grain` items that cover [0, count), in
/// parallel when there is more than one chunk. A body must only write what belongs to its items.
/// Exceptions thrown by a body are rethrown in the caller.
void parallel_for(std::int64_t count, std::int64_t grain,
                  const std::function<void(std::int64_t begin, std::int64_t end)>& body);

/// Calls body(chunk, begin, end) for every fixed-size chunk of `chunk_size` items (the last may be
/// shorter): the partition depends on the data only, never on the thread count, so per-chunk
/// partial results that the caller adds in chunk order give the same bits on any number of threads.
void parallel_chunks(
    std::int64_t count, std::int64_t chunk_size,
    const std::function<void(std::int64_t chunk, std::int64_t begin, std::int64_t end)>& body);

}  // namespace switchyard
