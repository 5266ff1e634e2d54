#include "tests/data/archive_files.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include <stdexcept>

#include "tests/support/image_files.h"

namespace switchyard::test {

std::vector<ArchiveEntry> cifar10_entries(std::int64_t records) {
  const std::string folder = "cifar-10-batches-bin/";
  std::vector<ArchiveEntry> entries = {{folder, "", ArchiveEntry::kDirectory},
                                       {folder + "readme.html", "<html></html>"}};
  for (int i = 1; i <= 5; ++i) {
    entries.push_back({fmt::format("{}data_batch_{}.bin", folder, i),
                       cifar10_records(records, static_cast<std::uint64_t>(i))});
  }
  entries.push_back({folder + "test_batch.bin", cifar10_records(records, 6)});
  return entries;
}

void write_archive(const std::filesystem::path& path, const std::vector<ArchiveEntry>& entries) {
  archive* out = archive_write_new();
  archive_write_add_filter_gzip(out);
  archive_write_set_format_pax_restricted(out);
  bool good = archive_write_open_filename(out, path.c_str()) == ARCHIVE_OK;
  for (const ArchiveEntry& item : entries) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, item.path.c_str());
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_size(entry, 0);
    if (item.kind == ArchiveEntry::kDirectory) archive_entry_set_filetype(entry, AE_IFDIR);
    if (item.kind == ArchiveEntry::kSymbolicLink) {
      archive_entry_set_filetype(entry, AE_IFLNK);
      archive_entry_set_symlink(entry, item.bytes.c_str());
    }
    if (item.kind == ArchiveEntry::kHardLink) {
      archive_entry_set_hardlink(entry, item.bytes.c_str());
    }
    if (item.kind == ArchiveEntry::kFile) {
      archive_entry_set_size(entry, static_cast<la_int64_t>(item.bytes.size()));
    }
    good = good && archive_write_header(out, entry) == ARCHIVE_OK;
    if (item.kind == ArchiveEntry::kFile) {
      good = good && archive_write_data(out, item.bytes.data(), item.bytes.size()) >= 0;
    }
    archive_entry_free(entry);
  }
  good = archive_write_close(out) == ARCHIVE_OK && good;
  archive_write_free(out);
  if (!good) throw std::runtime_error("cannot write the archive " + path.string());
}

}  // namespace switchyard::test
