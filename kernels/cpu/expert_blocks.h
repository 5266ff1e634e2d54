#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

#include "kernels/cpu/parallel.h"

namespace switchyard::kernels {

/// Slots of a block at most: enough that reading a matrix costs little beside multiplying with it,
/// and few enough that the panels of a block stay in the second-level cache.
inline constexpr std::int64_t kBlockSlots = 192;

/// Some neighbouring slots of one expert.
struct Block {
  std::int64_t expert, first, slots;
};

/// As few blocks as hold an expert's slots, of one size: a small block behind large ones would read
/// a whole matrix for a few slots. `offsets` [experts + 1].
inline std::vector<Block> blocks_of(std::int64_t experts, const std::int64_t* offsets) {
  constexpr std::int64_t kStep = 32;  // the widest tile; sizes are multiples of it but for the last
  std::vector<Block> blocks;
  for (std::int64_t e = 0; e < experts; ++e) {
    const std::int64_t slots = offsets[e + 1] - offsets[e];
    if (slots == 0) continue;
    const std::int64_t count = (slots + kBlockSlots - 1) / kBlockSlots;
    const std::int64_t size = ((slots + count - 1) / count + kStep - 1) / kStep * kStep;
    for (std::int64_t first = 0; first < slots; first += size) {
      blocks.push_back({e, offsets[e] + first, size < slots - first ? size : slots - first});
    }
  }
  return blocks;
}

/// Counts the experts that have rows; blocks read no other's matrices.
inline std::int64_t busy_experts(std::int64_t experts, const std::int64_t* offsets) {
  std::int64_t busy = 0;
  for (std::int64_t e = 0; e < experts; ++e) busy += offsets[e] < offsets[e + 1] ? 1 : 0;
  return busy;
}

/// Rows [row, row + rows) of one expert's gradient of a matrix.
struct GradTask {
  std::int64_t expert, row, rows;
};

/// At most `size` of each expert's `rows` rows a task.
inline std::vector<GradTask> grad_tasks(std::int64_t experts, std::int64_t rows,
                                        std::int64_t size) {
  std::vector<GradTask> tasks;
  for (std::int64_t e = 0; e < experts; ++e) {
    for (std::int64_t row = 0; row < rows; row += size) {
      tasks.push_back({e, row, std::min(size, rows - row)});
    }
  }
  return tasks;
}

/// Calls body(task) for each task. Each thread takes the next one when it has finished its last: a
/// hot expert's tasks lie side by side, and are far longer than the others'.
template <class Task, class Body>
void for_each_task(const std::vector<Task>& tasks, const Body& body) {
  std::atomic<std::size_t> next = 0;
  const auto threads =
      std::min(static_cast<std::int64_t>(tasks.size()), std::int64_t{thread_count()});
  parallel_for(threads, 1, [&](std::int64_t, std::int64_t) {
    for (std::size_t i = next++; i < tasks.size(); i = next++) body(tasks[i]);
  });
}

}  // namespace switchyard::kernels
