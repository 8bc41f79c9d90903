#include "http/client.h"

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace varve::test {

using Clock = std::chrono::steady_clock;

struct HttpClient::Tls {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL* ssl = nullptr;
  bool good = false;
  ~Tls() {
    SSL_free(ssl);
    SSL_CTX_free(context);
  }
};

HttpClient::HttpClient(int port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) leave();
}

HttpClient::HttpClient(const std::filesystem::path& unix_socket)
    : socket_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, unix_socket.c_str(), sizeof address.sun_path - 1);
  if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) leave();
}

HttpClient::HttpClient(int port, const std::filesystem::path& certificate) : HttpClient(port) {
  tls_ = std::make_unique<Tls>();
  SSL_CTX_set_verify(tls_->context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_load_verify_locations(tls_->context, certificate.c_str(), nullptr);
  tls_->ssl = SSL_new(tls_->context);
  SSL_set_fd(tls_->ssl, socket_);
  SSL_set1_host(tls_->ssl, "localhost");
  tls_->good = socket_ >= 0 && SSL_connect(tls_->ssl) == 1;
}

HttpClient::~HttpClient() { leave(); }

bool HttpClient::connected() const { return socket_ >= 0 && (!tls_ || tls_->good); }

bool HttpClient::send(const std::string& bytes) {
  for (size_t sent = 0; sent < bytes.size();) {
    const ssize_t count =
        tls_ ? SSL_write(tls_->ssl, bytes.data() + sent, static_cast<int>(bytes.size() - sent))
             : ::send(socket_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) return false;
    sent += static_cast<size_t>(count);
  }
  return true;
}

bool HttpClient::fill(Clock::time_point deadline) {
  if (socket_ < 0) return false;
  if (!tls_ || SSL_pending(tls_->ssl) == 0) {
    const auto left = std::chrono::duration_cast<Milliseconds>(deadline - Clock::now()).count();
    pollfd ready{.fd = socket_, .events = POLLIN, .revents = 0};
    if (::poll(&ready, 1, static_cast<int>(std::max<int64_t>(left, 0))) <= 0) return false;
  }
  std::array<char, 65536> chunk;
  const ssize_t count = tls_ ? SSL_read(tls_->ssl, chunk.data(), static_cast<int>(chunk.size()))
                             : ::recv(socket_, chunk.data(), chunk.size(), 0);
  if (count <= 0) return false;
  in_.append(chunk.data(), static_cast<size_t>(count));
  return true;
}

std::string HttpClient::read_some(Milliseconds wait) {
  if (in_.empty()) fill(Clock::now() + wait);
  return std::exchange(in_, {});
}

bool HttpClient::read_until(const std::string& text, Milliseconds wait) {
  const auto deadline = Clock::now() + wait;
  while (in_.find(text) == in_.npos)
    if (!fill(deadline)) return false;
  return true;
}

bool HttpClient::read_chunks(Response& response, Clock::time_point deadline) {
  for (;;) {
    size_t line = 0;
    while ((line = in_.find("\r\n")) == in_.npos)
      if (!fill(deadline)) return false;
    const size_t size = std::stoul(in_.substr(0, line), nullptr, 16);
    while (in_.size() < line + 2 + size + 2)
      if (!fill(deadline)) return false;
    response.body += in_.substr(line + 2, size);
    in_.erase(0, line + 2 + size + 2);
    if (size == 0) return true;
  }
}

Response HttpClient::response(Milliseconds wait, bool head_only) {
  const auto deadline = Clock::now() + wait;
  Response response;
  if (!read_until("\r\n\r\n", wait)) return response;
  const size_t end = in_.find("\r\n\r\n");
  const std::string head = in_.substr(0, end);
  in_.erase(0, end + 4);
  response.status = std::stoi(head.substr(head.find(' ') + 1, 3));
  for (size_t at = head.find("\r\n"); at != head.npos;) {
    const size_t next = head.find("\r\n", at + 2);
    const std::string line = head.substr(at + 2, next == head.npos ? next : next - at - 2);
    std::string name = line.substr(0, line.find(':'));
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return static_cast<char>(std::tolower(c)); });
    response.headers[name] = line.substr(std::min(line.size(), name.size() + 2));
    at = next;
  }
  if (head_only || response.status == 204 || response.status == 100) {
    response.whole = true;
  } else if (response.headers.contains("transfer-encoding")) {
    response.whole = read_chunks(response, deadline);
  } else if (response.headers.contains("content-length")) {
    const size_t length = std::stoul(response.headers["content-length"]);
    while (in_.size() < length && fill(deadline)) {
    }
    response.whole = in_.size() >= length;
    response.body = in_.substr(0, length);
    in_.erase(0, response.body.size());
  } else {
    while (fill(deadline)) {
    }
    response.whole = Clock::now() < deadline;
    response.body = std::exchange(in_, {});
  }
  return response;
}

bool HttpClient::ended(Milliseconds wait) {
  const auto deadline = Clock::now() + wait;
  while (fill(deadline)) in_.clear();
  return Clock::now() < deadline;
}

void HttpClient::leave(bool reset) {
  if (socket_ < 0) return;
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  if (reset) ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  ::close(socket_);
  socket_ = -1;
}

void HttpClient::small_buffer() {
  const int bytes = 4096;
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

std::string request_text(const std::string& method, const std::string& target, const std::string& body,
                         const std::string& headers) {
  const bool length = !body.empty() || method == "POST";
  return method + " " + target + " HTTP/1.1\r\n" +
         (headers.find("Host:") == headers.npos ? "Host: localhost\r\n" : "") +
         (length ? "Content-Length: " + std::to_string(body.size()) + "\r\n" : "") + headers + "\r\n" + body;
}

Response ask(int port, const std::string& method, const std::string& target, const std::string& body,
             const std::string& headers) {
  HttpClient client(port);
  client.send(request_text(method, target, body, headers));
  return client.response(std::chrono::milliseconds(30000), method == "HEAD");
}

}  // namespace varve::test
