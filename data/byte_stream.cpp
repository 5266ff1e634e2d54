#include "data/byte_stream.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <system_error>
#include <utility>

#include "engine/core/check.h"

namespace switchyard {

ByteStream::ByteStream(std::filesystem::path path)
    : path_(std::move(path)), file_(gzopen(path_.c_str(), "rb"), gzclose) {
  check(file_ != nullptr, "{}: cannot open: {}", path_.string(),
        std::generic_category().message(errno));
  gzbuffer(file_.get(), 1U << 17);
}

std::int64_t ByteStream::read(std::uint8_t* to, std::int64_t count) {
  constexpr std::int64_t kChunk = 1 << 20;
  std::int64_t filled = 0;
  while (filled < count) {
    const auto want = static_cast<unsigned>(std::min(count - filled, kChunk));
    errno = 0;
    const int got = gzread(file_.get(), to + filled, want);
    int code = Z_OK;
    const char* text = gzerror(file_.get(), &code);
    // A stream that ends early is Z_BUF_ERROR, with the bytes before it delivered.
    if (got < 0 || code == Z_BUF_ERROR) {
      throw Error(fmt::format(
          "{}: cannot read: {}", path_.string(),
          code == Z_ERRNO ? std::generic_category().message(errno) : std::string(text)));
    }
    if (got == 0) break;
    sum_.add(std::as_bytes(std::span(to + filled, static_cast<std::size_t>(got))));
    filled += got;
  }
  taken_ += filled;
  return filled;
}

std::uint32_t ByteStream::read_integer() {
  std::array<std::uint8_t, 4> b{};
  check(read(b.data(), std::ssize(b)) == std::ssize(b), "{}: truncated in its header",
        path_.string());
  return std::uint32_t{b[0]} << 24 | std::uint32_t{b[1]} << 16 | std::uint32_t{b[2]} << 8 | b[3];
}

void ByteStream::require_room(std::int64_t count) const {
  constexpr std::int64_t kMaxExpansion = 1032;  // of deflate: https://zlib.net/zlib_tech.html
  std::error_code error;
  if (!std::filesystem::is_regular_file(path_, error)) return;
  const auto size = static_cast<std::int64_t>(std::filesystem::file_size(path_, error));
  if (error) return;
  const bool is_plain = gzdirect(file_.get()) == 1;
  check(!is_plain || count <= size - taken_,
        "{}: truncated: {} bytes of data, its header announces {}", path_.string(), size - taken_,
        count);
  check(is_plain || count / kMaxExpansion <= size,
        "{}: truncated: {} compressed bytes cannot hold the {} that its header announces",
        path_.string(), size, count);
}

void ByteStream::read_rest(std::uint8_t* to, std::int64_t count) {
  const std::int64_t got = read(to, count);
  check(got == count, "{}: truncated: {} bytes of data, its header announces {}", path_.string(),
        got, count);
  std::uint8_t more = 0;
  check(read(&more, 1) == 0, "{}: longer than the {} bytes of data that its header announces",
        path_.string(), count);
}

}  // namespace switchyard
