#include "tests/data/http_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace switchyard::test {
namespace {

void send_all(int connection, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;  // the client has gone
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

std::string read_request(int connection) {
  std::string request;
  std::array<char, 4096> block{};
  while (request.find("\r\n\r\n") == std::string::npos) {
    const ssize_t got = ::recv(connection, block.data(), block.size(), 0);
    if (got <= 0) break;
    request.append(block.data(), static_cast<std::size_t>(got));
  }
  return request;
}

}  // namespace

HttpServer::HttpServer(std::string body, Options options)
    : body_(std::move(body)), options_(options) {
  socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (socket_ < 0 || ::bind(socket_, generic, size) != 0 || ::listen(socket_, 4) != 0 ||
      ::getsockname(socket_, generic, &size) != 0) {
    throw std::runtime_error("cannot listen on the loopback interface");
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { serve(); });
}

HttpServer::~HttpServer() {
  stopped_ = true;
  thread_.join();
  ::close(socket_);
}

std::string HttpServer::url() const {
  return fmt::format("http://127.0.0.1:{}/archive.tar.gz", port_);
}

std::vector<std::size_t> HttpServer::starts() const {
  const std::lock_guard lock(mutex_);
  return starts_;
}

void HttpServer::serve() {
  while (!stopped_) {
    pollfd waiting{socket_, POLLIN, 0};
    if (::poll(&waiting, 1, 10) <= 0) continue;
    const int connection = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) continue;
    answer(connection);
    ::close(connection);
  }
}

void HttpServer::answer(int connection) {
  const std::string request = read_request(connection);
  const std::size_t range = request.find("Range: bytes=");
  std::size_t start = range == std::string::npos ? 0 : std::stoul(request.substr(range + 13));
  std::size_t cut = ~std::size_t{0};
  {
    const std::lock_guard lock(mutex_);
    if (starts_.empty()) cut = options_.cut_after;
    starts_.push_back(start);
  }
  int status = options_.status;
  std::string_view body = body_;
  if (status != 200) {
    body = "an error page";
  } else if (start > 0 && options_.ranges && start >= body.size()) {
    status = 416;
    body = "";
  } else if (start > 0 && options_.ranges) {
    status = 206;
    body.remove_prefix(start);
  }
  std::string head = fmt::format("HTTP/1.1 {} X\r\nContent-Length: {}\r\nConnection: close\r\n",
                                 status, body.size());
  if (status == 206) {
    head += fmt::format("Content-Range: bytes {}-{}/{}\r\n", start, body_.size() - 1, body_.size());
  }
  send_all(connection, head + "\r\n");
  send_all(connection, body.substr(0, cut));
}

}  // namespace switchyard::test
