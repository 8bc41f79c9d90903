#pragma once
// The bytes of one connection: a TCP or Unix socket, bare or under TLS. One read and one write at a time; the
// handlers run on the io_context. Part of the server, like connection.h: nothing else sees Asio.
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <functional>
#include <memory>
#include <string>

namespace varve::http {

namespace asio = boost::asio;
using Error = boost::system::error_code;
using Socket = asio::generic::stream_protocol::socket;

class Wire {
 public:
  using Done = std::function<void(Error error, size_t bytes)>;
  virtual ~Wire() = default;
  /// TLS: the handshake. Bare: done at once.
  virtual void begin(Done done) = 0;
  virtual void read_some(asio::mutable_buffer into, Done done) = 0;
  virtual void write_some(asio::const_buffer from, Done done) = 0;
  /// Tells the other side that nothing more comes.
  virtual void end(Done done) = 0;
  /// At once; what is under way ends with an error.
  virtual void close() = 0;
};

/// A certificate with its key, read once.
class Tls {
 public:
  /// A LoadError names the file that cannot be used.
  Tls(const std::string& certificate_file, const std::string& key_file);
  ~Tls();

 private:
  friend std::unique_ptr<Wire> make_wire(Socket socket, Tls* tls);
  struct Context;
  std::unique_ptr<Context> context_;
};

/// `tls` null: bare. It outlives the wire.
std::unique_ptr<Wire> make_wire(Socket socket, Tls* tls);

}  // namespace varve::http
