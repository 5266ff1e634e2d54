#include "kernels/simt/fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "kernels/api/error.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

#if !defined(__x86_64__)
#error "the SIMT executor switches stacks with x86-64 code; configure with -DSWITCHYARD_SIMT=OFF"
#endif

namespace switchyard::kernels::simt {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kStackBytes = std::size_t{512} << 10;  // instrumented frames are large
#else
constexpr std::size_t kStackBytes = std::size_t{128} << 10;
#endif

#if defined(__SANITIZE_ADDRESS__)
// AddressSanitizer learns the bounds of a stack when it is first left.
thread_local Fiber* left_fiber = nullptr;
#endif

std::size_t page_bytes() { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }

}  // namespace

// rdi: where to store the stack pointer of the side that leaves; rsi: stack pointer of the other
// side. Not a jump: docs/design/simt.md has what `ret` saves at barriers.
extern "C" void switchyard_switch_stack(void** save, void* load);
asm(R"(
.text
.globl switchyard_switch_stack
.type switchyard_switch_stack, @function
switchyard_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size switchyard_switch_stack, .-switchyard_switch_stack
)");

// A new stack "returns" into this with the fiber in r12, as prepared by the constructor.
extern "C" void switchyard_fiber_start();
extern "C" void switchyard_fiber_begin(Fiber* self);
asm(R"(
.text
.type switchyard_fiber_start, @function
switchyard_fiber_start:
  movq %r12, %rdi
  call switchyard_fiber_begin
  ud2
.size switchyard_fiber_start, .-switchyard_fiber_start
)");

void fiber_begin(Fiber* self) { Fiber::begin(self); }
extern "C" void switchyard_fiber_begin(Fiber* self) { fiber_begin(self); }

void Fiber::begin(Fiber* self) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &left_fiber->sanitizer_stack_bottom_,
                                  &left_fiber->sanitizer_stack_size_);
#endif
  self->entry_(self->argument_);
  std::abort();  // the contract: an entry never returns
}

Fiber::Fiber(void (*entry)(void*), void* argument) : entry_(entry), argument_(argument) {
  const std::size_t guard = page_bytes();
  void* mapping = mmap(nullptr, kStackBytes + guard, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (mapping == MAP_FAILED) throw OutOfMemory(kStackBytes + guard, "simt");
  // An overflowing kernel stack faults instead of corrupting.
  if (mprotect(mapping, guard, PROT_NONE) != 0) {
    const std::string reason = std::strerror(errno);
    static_cast<void>(munmap(mapping, kStackBytes + guard));
    throw Error("device simt: mprotect of a thread's stack: " + reason);
  }
  stack_ = static_cast<std::byte*>(mapping);
  auto* top = reinterpret_cast<std::uint64_t*>(stack_ + guard + kStackBytes);
  // From the top the stack holds the return address, then rbp, rbx, r12 .. r15 in the order they
  // are popped.
  top[-1] = reinterpret_cast<std::uint64_t>(&switchyard_fiber_start);
  top[-2] = 0;                                      // rbp
  top[-3] = 0;                                      // rbx
  top[-4] = reinterpret_cast<std::uint64_t>(this);  // r12
  top[-5] = top[-6] = top[-7] = 0;                  // r13, r14, r15
  stack_pointer_ = top - 7;
  sanitizer_stack_bottom_ = stack_ + guard;
  sanitizer_stack_size_ = kStackBytes;
#if defined(__SANITIZE_THREAD__)
  sanitizer_state_ = __tsan_create_fiber(0);
#endif
}

Fiber::~Fiber() {
  if (stack_ == nullptr) return;
#if defined(__SANITIZE_ADDRESS__)
  // Frames that were abandoned left their red zones marked; whoever gets these pages next, starts
  // clean.
  __asan_unpoison_memory_region(stack_, kStackBytes + page_bytes());
#endif
#if defined(__SANITIZE_THREAD__)
  __tsan_destroy_fiber(sanitizer_state_);
#endif
  static_cast<void>(munmap(stack_, kStackBytes + page_bytes()));  // nothing can be done about it
}

void Fiber::switch_to(Fiber& from, Fiber& to) {
#if defined(__SANITIZE_ADDRESS__)
  left_fiber = &from;
  __sanitizer_start_switch_fiber(&from.sanitizer_state_, to.sanitizer_stack_bottom_,
                                 to.sanitizer_stack_size_);
#elif defined(__SANITIZE_THREAD__)
  if (from.sanitizer_state_ == nullptr) from.sanitizer_state_ = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(to.sanitizer_state_, 0);
#endif
  switchyard_switch_stack(&from.stack_pointer_, to.stack_pointer_);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(from.sanitizer_state_, &left_fiber->sanitizer_stack_bottom_,
                                  &left_fiber->sanitizer_stack_size_);
#endif
}

}  // namespace switchyard::kernels::simt
