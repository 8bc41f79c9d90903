#include "http/wire.h"

#include <openssl/err.h>

#include <boost/asio/post.hpp>
#include <boost/asio/ssl.hpp>

#include "core/error.h"

namespace varve::http {

namespace {

class BareWire final : public Wire {
 public:
  explicit BareWire(Socket socket) : socket_(std::move(socket)) {}
  void begin(Done done) override {
    asio::post(socket_.get_executor(), [done = std::move(done)] { done({}, 0); });
  }
  void read_some(asio::mutable_buffer into, Done done) override {
    socket_.async_read_some(into, std::move(done));
  }
  void write_some(asio::const_buffer from, Done done) override {
    socket_.async_write_some(from, std::move(done));
  }
  void end(Done done) override {
    Error error;
    socket_.shutdown(Socket::shutdown_send, error);
    asio::post(socket_.get_executor(), [done = std::move(done), error] { done(error, 0); });
  }
  void close() override {
    Error error;
    socket_.close(error);
  }

 private:
  Socket socket_;
};

class TlsWire final : public Wire {
 public:
  TlsWire(Socket socket, asio::ssl::context& context) : stream_(std::move(socket), context) {}
  void begin(Done done) override {
    stream_.async_handshake(asio::ssl::stream_base::server,
                            [done = std::move(done)](Error error) { done(error, 0); });
  }
  void read_some(asio::mutable_buffer into, Done done) override {
    stream_.async_read_some(into, std::move(done));
  }
  void write_some(asio::const_buffer from, Done done) override {
    stream_.async_write_some(from, std::move(done));
  }
  void end(Done done) override {
    stream_.async_shutdown([done = std::move(done)](Error error) { done(error, 0); });
  }
  void close() override {
    Error error;
    stream_.lowest_layer().close(error);
  }

 private:
  asio::ssl::stream<Socket> stream_;
};

[[noreturn]] void refuse_file(const std::string& what, const std::string& file, const Error& error,
                              const std::string& advice) {
  throw LoadError({.what = what, .where = file, .expected = {}, .found = error.message(), .advice = advice});
}

}  // namespace

struct Tls::Context {
  asio::ssl::context context{asio::ssl::context::tls_server};
};

Tls::Tls(const std::string& certificate_file, const std::string& key_file)
    : context_(std::make_unique<Context>()) {
  asio::ssl::context& context = context_->context;
  Error error;
  context.set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_tlsv1 |
                      asio::ssl::context::no_tlsv1_1 | asio::ssl::context::no_compression);
  // A key under a password would ask for it on the terminal: a server has none.
  context.set_password_callback([](size_t, asio::ssl::context::password_purpose) { return std::string(); },
                                error);
  context.use_certificate_chain_file(certificate_file, error);
  if (error)
    refuse_file("the certificate cannot be used", certificate_file, error,
                "--tls-cert wants a PEM file: the certificate, then those of its issuers.");
  context.use_private_key_file(key_file, asio::ssl::context::pem, error);
  if (error)
    refuse_file("the key cannot be used with this certificate", key_file, error,
                "--tls-key wants the PEM file of the certificate's own key, without a password.");
  if (SSL_CTX_check_private_key(context.native_handle()) != 1) {
    ERR_clear_error();
    refuse_file("the key does not belong to the certificate", key_file, {},
                "--tls-cert and --tls-key must be a pair.");
  }
}

Tls::~Tls() = default;

std::unique_ptr<Wire> make_wire(Socket socket, Tls* tls) {
  if (tls) return std::make_unique<TlsWire>(std::move(socket), tls->context_->context);
  return std::make_unique<BareWire>(std::move(socket));
}

}  // namespace varve::http
