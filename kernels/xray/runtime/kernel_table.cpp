#include "kernels/xray/runtime/kernel_table.h"

#include <cstdint>
#include <cstring>
#include <unordered_map>

#include "kernels/api/error.h"

namespace switchyard::kernels::xray {
namespace {

/// What nvcc passes to __cudaRegisterFatBinary, and the head of what that points to.
struct FatBinaryWrapper {
  int magic, version;
  const char* data;
  void* unused;
};
struct FatBinaryHeader {
  std::uint32_t magic;
  std::uint16_t version, header_bytes;
  std::uint64_t bytes;
};

/// Filled by initialisers of the kernels' files, which may run before this file's.
struct Table {
  std::unordered_map<const void*, const void*> binaries;    // by handle
  std::unordered_map<const void*, CompiledKernel> kernels;  // by host function

  static Table& instance() {
    static auto* const table = new Table;
    return *table;
  }
};

}  // namespace

void note_fat_binary(const void* handle, const void* binary) {
  Table::instance().binaries[handle] = binary;
}

void note_kernel(const void* handle, const void* host_function, const char* name) {
  Table& table = Table::instance();
  table.kernels[host_function] = {table.binaries.at(handle), name};
}

const CompiledKernel* find_kernel(const void* host_function) {
  const Table& table = Table::instance();
  const auto found = table.kernels.find(host_function);
  return found == table.kernels.end() ? nullptr : &found->second;
}

std::string_view ptx_of(const void* binary) {
  const auto& wrapper = *static_cast<const FatBinaryWrapper*>(binary);
  FatBinaryHeader header;
  std::memcpy(&header, wrapper.data, sizeof header);
  const std::string_view all(wrapper.data, header.header_bytes + header.bytes);
  // Cubins name the PTX version in a note as well: the text goes on with the target.
  for (std::size_t at = all.find(".version "); at != std::string_view::npos;
       at = all.find(".version ", at + 1)) {
    const std::string_view text = all.substr(at, all.find('\0', at) - at);
    if (text.find(".target ") != std::string_view::npos) return text;
  }
  throw Error("the kernels of this program hold no PTX: it was compiled for chips alone");
}

}  // namespace switchyard::kernels::xray
