#include "data/download.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <exception>
#include <memory>
#include <system_error>

#include "data/fetch.h"
#include "engine/core/check.h"

namespace switchyard {
namespace {

using Progress = std::function<bool(std::int64_t, std::int64_t)>;

constexpr long kConnectSeconds = 10;
constexpr long kStallSeconds = 30;
constexpr long kStallBytesPerSecond = 1000;

std::string reason(int error) { return std::generic_category().message(error); }

/// The file that receives the bytes, locked against a second download.
class Target {
 public:
  explicit Target(const std::filesystem::path& path)
      : path_(path.string()),
        descriptor_(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666)) {
    check(descriptor_ >= 0, "{}: cannot write: {}", path_, reason(errno));
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
      ::close(descriptor_);
      throw Error(path_ + ": another process is downloading it");
    }
  }
  ~Target() { ::close(descriptor_); }
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;

  std::int64_t size() const { return ::lseek(descriptor_, 0, SEEK_END); }
  void clear() {
    check(::ftruncate(descriptor_, 0) == 0, "{}: cannot empty: {}", path_, reason(errno));
  }
  /// 0, or the error number.
  int append(const char* data, std::size_t count) {
    while (count > 0) {
      const ssize_t written = ::write(descriptor_, data, count);
      if (written < 0 && errno != EINTR) return errno;
      data += std::max<ssize_t>(written, 0);
      count -= static_cast<std::size_t>(std::max<ssize_t>(written, 0));
    }
    return 0;
  }

 private:
  std::string path_;
  int descriptor_;
};

/// Makes one request; libcurl calls back into it. No exception may pass through libcurl, so what
/// goes wrong is kept in members.
class Transfer {
 public:
  Transfer(Target& target, std::int64_t bytes, const Progress& progress)
      : target_(target), start_(target.size()), bytes_(bytes), progress_(progress) {}

  struct Outcome {
    CURLcode code;
    long http_status;
    std::string text;  ///< libcurl's explanation
  };

  Outcome run(const std::string& url) {
    static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
    const std::unique_ptr<CURL, void (*)(CURL*)> handle(curl_easy_init(), curl_easy_cleanup);
    check(initialised == CURLE_OK && handle != nullptr, "libcurl cannot be initialised");
    std::array<char, CURL_ERROR_SIZE> text{};
    CURL* curl = handle.get();
    curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, text.data());
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "switchyard");
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 5L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, kStallSeconds);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, kStallBytesPerSecond);
    curl_easy_setopt(curl, CURLOPT_RESUME_FROM_LARGE, static_cast<curl_off_t>(start_));
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &Transfer::on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, this);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, &Transfer::on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, this);
    Outcome outcome{curl_easy_perform(curl), 0, ""};
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &outcome.http_status);
    outcome.text = text[0] != '\0' ? text.data() : curl_easy_strerror(outcome.code);
    std::ranges::replace(outcome.text, '\n', ' ');
    return outcome;
  }

  int write_error = 0;           ///< error number of a failed write
  bool too_long = false;         ///< more bytes came than the file may have
  bool stopped = false;          ///< `progress` said so
  std::exception_ptr exception;  ///< thrown by `progress`

 private:
  static std::size_t on_data(char* data, std::size_t size, std::size_t count, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    const std::size_t total = size * count;
    transfer.received_ += static_cast<std::int64_t>(total);
    transfer.too_long = transfer.start_ + transfer.received_ > transfer.bytes_;
    if (!transfer.too_long) transfer.write_error = transfer.target_.append(data, total);
    return transfer.too_long || transfer.write_error != 0 ? 0 : total;
  }

  static int on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    auto& transfer = *static_cast<Transfer*>(self);
    if (!transfer.progress_) return 0;
    try {
      const std::int64_t done = transfer.start_ + transfer.received_;
      transfer.stopped = !transfer.progress_(done, transfer.bytes_);
    } catch (...) {
      transfer.exception = std::current_exception();
    }
    return transfer.stopped || transfer.exception ? 1 : 0;
  }

  Target& target_;
  std::int64_t start_;
  std::int64_t bytes_;
  std::int64_t received_ = 0;
  const Progress& progress_;
};

/// The server refused to continue where the file ends.
bool cannot_resume(const Transfer::Outcome& outcome) {
  constexpr long kRangeNotSatisfiable = 416;
  return outcome.code == CURLE_RANGE_ERROR || outcome.code == CURLE_BAD_DOWNLOAD_RESUME ||
         outcome.http_status == kRangeNotSatisfiable;
}

}  // namespace

void download(const std::string& url, const std::filesystem::path& file, std::int64_t bytes,
              const Progress& progress) {
  Target target(file);
  if (target.size() > bytes) target.clear();
  while (target.size() < bytes) {
    const std::int64_t start = target.size();
    Transfer transfer(target, bytes, progress);
    const Transfer::Outcome outcome = transfer.run(url);
    if (transfer.exception) std::rethrow_exception(transfer.exception);
    check<FetchStopped>(!transfer.stopped, "{}: stopped after {} of {} bytes", url, target.size(),
                        bytes);
    check(transfer.write_error == 0, "{}: cannot write: {}", file.string(),
          reason(transfer.write_error));
    if (transfer.too_long) target.clear();
    check(!transfer.too_long, "{}: sends more than the expected {} bytes", url, bytes);
    if (start > 0 && cannot_resume(outcome)) {
      target.clear();
      continue;
    }
    check(outcome.code == CURLE_OK, "{}: {}", url, outcome.text);
    check(target.size() == bytes, "{}: ended after {} of {} bytes", url, target.size(), bytes);
  }
}

}  // namespace switchyard
