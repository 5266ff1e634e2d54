#include "data/unpack.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <memory>

#include "engine/core/check.h"
#include "engine/io/files.h"
#include "engine/io/json.h"

namespace switchyard {
namespace {

constexpr std::size_t kBlock = std::size_t{1} << 18;

class Reader {
 public:
  explicit Reader(const std::filesystem::path& path)
      : path_(path.string()), archive_(archive_read_new(), archive_read_free) {
    check(archive_ != nullptr, "libarchive cannot be initialised");
    archive_read_support_filter_gzip(archive_.get());
    archive_read_support_format_tar(archive_.get());
    require(archive_read_open_filename(archive_.get(), path_.c_str(), kBlock) == ARCHIVE_OK);
  }

  /// The next entry, or nullptr at the archive's end.
  archive_entry* next() {
    archive_entry* entry = nullptr;
    const int code = archive_read_next_header(archive_.get(), &entry);
    if (code == ARCHIVE_EOF) return nullptr;
    require(code == ARCHIVE_OK);
    return entry;
  }

  /// Writes the current entry's bytes to `target`.
  void extract(const std::string& name, std::int64_t max_bytes,
               const std::filesystem::path& target) {
    AtomicFile file(target);
    std::vector<std::byte> block(kBlock);
    std::int64_t total = 0;
    while (true) {
      const la_ssize_t got = archive_read_data(archive_.get(), block.data(), block.size());
      require(got >= 0);
      if (got == 0) break;
      total += got;
      check(total <= max_bytes, "{}: entry '{}' is longer than {} bytes", path_, name, max_bytes);
      file.write(std::span(block).first(static_cast<std::size_t>(got)));
    }
    file.commit();
  }

 private:
  void require(bool condition) const {
    if (condition) return;
    const char* text = archive_error_string(archive_.get());
    throw Error(fmt::format("{}: cannot unpack: {}", path_,
                            printable(text != nullptr ? text : "unknown error")));
  }

  std::string path_;
  std::unique_ptr<archive, int (*)(archive*)> archive_;
};

}  // namespace

void unpack(const std::filesystem::path& archive, const std::string& folder,
            const std::vector<std::string>& names, std::int64_t max_bytes,
            const std::filesystem::path& destination) {
  Reader reader(archive);
  const std::string inside = folder + "/";
  std::vector<std::string> left = names;
  std::size_t entries = 0;
  while (archive_entry* entry = reader.next()) {
    check(++entries <= names.size() + 1, "{}: more entries than the folder and its {} files",
          archive.string(), names.size());
    const char* stored = archive_entry_pathname(entry);
    const std::string path = stored != nullptr ? stored : "";
    const auto type = archive_entry_filetype(entry);
    if (type == AE_IFDIR && (path == folder || path == inside)) continue;
    const auto name = std::ranges::find_if(
        left, [&](const std::string& allowed) { return path == inside + allowed; });
    const bool is_file = type == AE_IFREG && archive_entry_hardlink(entry) == nullptr;
    check(is_file && name != left.end(), "{}: unexpected entry '{}'", archive.string(),
          printable(path));
    reader.extract(path, max_bytes, destination / *name);
    left.erase(name);  // each comes once
  }
  check(left.size() < names.size(), "{}: the archive holds no files", archive.string());
}

}  // namespace switchyard
