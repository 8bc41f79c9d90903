#pragma once
// A client that sends bytes as they are, so that a test can be as wrong, slow or gone as any client.
#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace varve::test {

struct Response {
  int status = 0;  // 0: the connection ended, or the time was over, before there was one
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;                            // without the framing of chunks
  bool whole = false;                          // the body ended as its head announced
};

class HttpClient {
 public:
  using Milliseconds = std::chrono::milliseconds;

  explicit HttpClient(int port);
  explicit HttpClient(const std::filesystem::path& unix_socket);
  /// TLS that believes in `certificate` alone.
  HttpClient(int port, const std::filesystem::path& certificate);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  bool connected() const;
  /// False when the other side has ended the connection.
  bool send(const std::string& bytes);
  /// What comes next; "" when the connection ended or nothing came in time.
  std::string read_some(Milliseconds wait = Milliseconds(5000));
  /// Reads until `text` has come (it stays for the reads to come); false when it does not.
  bool read_until(const std::string& text, Milliseconds wait = Milliseconds(10000));
  /// One response; what follows it stays for the next. `head_only`: it has no body, as for HEAD.
  Response response(Milliseconds wait = Milliseconds(10000), bool head_only = false);
  /// The other side has ended the connection within the time; what it said until then is dropped.
  bool ended(Milliseconds wait = Milliseconds(5000));
  /// Leaves at once: with a reset, or as a program that ends does.
  void leave(bool reset = false);
  /// Takes in no more than about so many bytes that are not read.
  void small_buffer();

 private:
  struct Tls;
  bool fill(std::chrono::steady_clock::time_point deadline);
  bool read_chunks(Response& response, std::chrono::steady_clock::time_point deadline);

  int socket_ = -1;
  std::unique_ptr<Tls> tls_;
  std::string in_;
};

/// A request's text. Host, Content-Length and what `headers` says ("Name: value\r\n"...) are in its head.
std::string request_text(const std::string& method, const std::string& target, const std::string& body = {},
                         const std::string& headers = {});

/// On a connection of its own.
Response ask(int port, const std::string& method, const std::string& target, const std::string& body = {},
             const std::string& headers = {});

}  // namespace varve::test
