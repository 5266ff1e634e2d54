#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "engine/core/check.h"
#include "kernels/api/text.h"

// The fuzz targets share this. Each file NAME_fuzz.cpp is one target: libFuzzer calls its
// LLVMFuzzerTestOneInput() with one input after another (https://llvm.org/docs/LibFuzzer.html).
// `./run fuzz` builds and runs them, docs/design/fuzzing.md explains.

namespace switchyard::fuzz {

/// Ends the program, which libFuzzer reports together with the input.
[[noreturn]] inline void fail(std::string_view what) {
  std::fprintf(stderr, "%.*s\n", static_cast<int>(what.size()), what.data());
  std::abort();
}

/// Runs `read` on damaged input. An Error with a message is its right, and one_line() must make
/// plain text of it, as the command line does. Any other exception reaches libFuzzer: a finding.
template <class Read>
void may_refuse(Read&& read) {
  try {
    read();
  } catch (const Error& error) {
    const std::string line = one_line(error.what());
    if (line.empty() || !is_plain_text(line)) fail("a message is not one line of text");
  }
}

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// A regular file that lives in memory, for readers that take a path.
class MemoryFile {
 public:
  MemoryFile() : descriptor_(::memfd_create("input", MFD_CLOEXEC)) {
    if (descriptor_ < 0) fail("no memory file");
  }
  ~MemoryFile() { ::close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }
  void set(std::string_view bytes) {
    if (::ftruncate(descriptor_, 0) != 0 || ::pwrite(descriptor_, bytes.data(), bytes.size(), 0) !=
                                                static_cast<ssize_t>(bytes.size())) {
      fail("the memory file cannot be written");
    }
  }

 private:
  int descriptor_;
};

}  // namespace switchyard::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
