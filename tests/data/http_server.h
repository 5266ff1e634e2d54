#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace switchyard::test {

/// An HTTP server on the loopback interface that serves one body at any path, one connection at a
/// time.
class HttpServer {
 public:
  struct Options {
    int status = 200;
    bool ranges = true;           ///< honour "Range: bytes=N-"
    std::size_t cut_after = ~0U;  ///< close the first connection after so many bytes of the body
  };
  HttpServer(std::string body, Options options);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::string url() const;
  /// Returns, for each request so far, where it asked to begin.
  std::vector<std::size_t> starts() const;

 private:
  void serve();
  void answer(int connection);

  std::string body_;
  Options options_;
  int socket_ = -1;
  int port_ = 0;
  std::atomic<bool> stopped_ = false;
  mutable std::mutex mutex_;
  std::vector<std::size_t> starts_;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace switchyard::test
