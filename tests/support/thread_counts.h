#pragma once

#include "engine/core/threads.h"

namespace switchyard::test {

/// Calls body() with 1, 2, 3 and 7 threads and restores the count: results must not depend on it.
template <class F>
void for_thread_counts(F&& body) {
  const int before = switchyard::thread_count();
  for (int count : {1, 2, 3, 7}) {
    switchyard::set_thread_count(count);
    body();
  }
  switchyard::set_thread_count(before);
}

}  // namespace switchyard::test
