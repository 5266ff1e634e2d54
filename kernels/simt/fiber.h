#pragma once

#include <cstddef>

namespace switchyard::kernels::simt {

/// A stack to run a CUDA thread on, and where it was left. Switching costs a handful of
/// instructions: six callee-saved registers are pushed, the stack pointer is exchanged, and `ret`
/// continues the other side (docs/design/simt.md).
class Fiber {
 public:
  /// The fiber that the caller already runs on (an OS thread's own stack).
  Fiber() = default;
  /// A new stack that begins in `entry(argument)` when first switched to. `entry` must never
  /// return.
  Fiber(void (*entry)(void*), void* argument);
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// Leaves the running fiber `from`, continues `to`; returns when somebody switches back to
  /// `from`.
  static void switch_to(Fiber& from, Fiber& to);

 private:
  static void begin(Fiber* self);
  friend void fiber_begin(Fiber* self);

  void* stack_pointer_ = nullptr;
  std::byte* stack_ = nullptr;  // with a guard page below; null for an OS thread's own stack
  void (*entry_)(void*) = nullptr;
  void* argument_ = nullptr;
  // Bookkeeping that the sanitizers need to follow a switch; unused otherwise.
  void* sanitizer_state_ = nullptr;
  const void* sanitizer_stack_bottom_ = nullptr;
  std::size_t sanitizer_stack_size_ = 0;
};

}  // namespace switchyard::kernels::simt
