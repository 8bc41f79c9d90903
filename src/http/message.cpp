#include "http/message.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <ctime>

#include "core/json.h"

namespace varve::http {

namespace {

constexpr std::array<std::pair<int, std::string_view>, 27> kReasons{{
    {100, "Continue"},
    {200, "OK"},
    {204, "No Content"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {411, "Length Required"},
    {413, "Content Too Large"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {499, "Client Closed Request"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {529, "Overloaded"},
}};

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool percent_decode(std::string_view text, bool plus_is_blank, std::string& out) {
  out.clear();
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size()) return false;
      const int high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return false;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    } else if (c == '+' && plus_is_blank) {
      c = ' ';
    }
    if (c == '\0') return false;
    out += c;
  }
  return true;
}

void append_header(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  out += ": ";
  for (const char c : value)
    if (static_cast<unsigned char>(c) >= 0x20 || c == '\t') out += c;
  out += "\r\n";
}

}  // namespace

void HeaderList::add(std::string_view name, std::string_view value) {
  const std::string key = lower_case(name);
  for (auto& [known, text] : fields_)
    if (known == key) {
      text += ", ";
      text += value;
      return;
    }
  fields_.emplace_back(key, value);
}

std::string_view HeaderList::get(std::string_view lower_case_name) const {
  for (const auto& [name, value] : fields_)
    if (name == lower_case_name) return value;
  return {};
}

bool read_target(std::string_view target, HttpRequest& into) {
  if (target == "*") {  // OPTIONS * asks about the server
    into.path.assign(1, '*');
    return true;
  }
  if (target.starts_with("http://") || target.starts_with("https://")) {  // as a proxy is asked
    const size_t path = target.find('/', target.find("//") + 2);
    target = path == target.npos ? "/" : target.substr(path);
  }
  if (!target.starts_with('/')) return false;
  target = target.substr(0, target.find('#'));
  const size_t mark = target.find('?');
  if (!percent_decode(target.substr(0, mark), false, into.path)) return false;
  if (mark == target.npos) return true;
  std::string_view query = target.substr(mark + 1);
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    if (pair.empty()) continue;
    const size_t equals = pair.find('=');
    auto& [name, value] = into.query.emplace_back();
    if (!percent_decode(pair.substr(0, equals), true, name)) return false;
    if (equals != pair.npos && !percent_decode(pair.substr(equals + 1), true, value)) return false;
  }
  return true;
}

std::string_view reason_of(int status) {
  for (const auto& [known, text] : kReasons)
    if (known == status) return text;
  return "Unknown";
}

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::string plain_error_body(const Failure& failure) {
  Table error;
  error.set("message", failure.message);
  error.set("type", failure.status < 500 ? "invalid_request_error" : "server_error");
  error.set("code", failure.status);
  error.set("param", failure.field.empty() ? Value() : Value(failure.field));
  Table body;
  body.set("error", Value(std::move(error)));
  return json::dump(Value(std::move(body)));
}

Reply failure_reply(const Failure& failure, std::string (*error_body)(const Failure&)) {
  Reply reply{.status = failure.status, .body = error_body(failure)};
  if (failure.retry_after > 0.0) {
    constexpr double kMost = 3600.0;
    const double seconds = std::min(failure.retry_after, kMost);
    reply.headers.emplace_back("Retry-After", fmt::format("{}", std::max(1.0, std::ceil(seconds))));
    reply.headers.emplace_back("Retry-After-Ms", fmt::format("{}", std::ceil(seconds * 1000.0)));
  }
  if (failure.status == 401) reply.headers.emplace_back("WWW-Authenticate", "Bearer");
  return reply;
}

std::string head_text(const Reply& reply, const HeadOptions& options) {
  std::string out =
      fmt::format("HTTP/1.{} {} {}\r\n", options.http_1_0 ? 0 : 1, reply.status, reason_of(reply.status));
  append_header(out, "Server", "varve");
  append_header(out, "Date", fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", fmt::gmtime(std::time(nullptr))));
  if (!reply.content_type.empty()) append_header(out, "Content-Type", reply.content_type);
  append_header(out, "X-Content-Type-Options", "nosniff");
  for (const auto& [name, value] : reply.headers) append_header(out, name, value);
  if (options.chunked)
    append_header(out, "Transfer-Encoding", "chunked");
  else if (options.length && reply.status != 204)
    append_header(out, "Content-Length", fmt::format("{}", *options.length));
  if (options.close)
    append_header(out, "Connection", "close");
  else if (options.http_1_0)
    append_header(out, "Connection", "keep-alive");
  return out += "\r\n";
}

}  // namespace varve::http
