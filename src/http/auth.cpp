#include "http/auth.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>

#include "core/error.h"
#include "core/file.h"
#include "http/message.h"

namespace varve::http {

namespace {

constexpr size_t kShortestKey = 8;
constexpr size_t kLongestKey = 4096;
constexpr size_t kKeyFile = size_t{1} << 20;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r";
  const size_t first = text.find_first_not_of(kBlanks);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

void refuse_key(const std::string& where, std::string_view problem) {
  throw LoadError({.what = std::string(problem),
                   .where = where,
                   .expected = fmt::format("keys of {} to {} printable characters without blanks",
                                           kShortestKey, kLongestKey),
                   .found = {},
                   .advice = "`openssl rand -hex 24` makes a good one."});
}

/// Never says the key itself.
void check_key(std::string_view key, const std::string& where) {
  if (key.size() < kShortestKey) refuse_key(where, "a key is too short to be a secret");
  if (key.size() > kLongestKey) refuse_key(where, "a key is too long");
  for (const char c : key)
    if (c <= ' ' || c > '~') refuse_key(where, "a key holds what no header can carry");
}

}  // namespace

ApiKeys::Digest ApiKeys::digest_of(std::string_view key) {
  Digest digest{};
  check(EVP_Digest(key.data(), key.size(), digest.data(), nullptr, EVP_sha256(), nullptr) == 1,
        "SHA-256 cannot be had");
  return digest;
}

void ApiKeys::read(const std::filesystem::path& file, std::string_view more) {
  std::vector<Digest> digests;
  const auto add = [&](std::string_view key, const std::string& where) {
    key = trimmed(key);
    if (key.empty()) return;
    check_key(key, where);
    digests.push_back(digest_of(key));
  };
  if (!file.empty()) {
    const std::string text = read_text(file, kKeyFile);
    size_t number = 0;
    for (std::string_view left = text; !left.empty();) {
      const std::string_view line = left.substr(0, left.find('\n'));
      left.remove_prefix(std::min(left.size(), line.size() + 1));
      ++number;
      if (!trimmed(line).starts_with('#')) add(line, fmt::format("{}:{}", file.string(), number));
    }
    if (digests.empty())
      throw LoadError({.what = "the file holds no key",
                       .where = file.string(),
                       .expected = "one key a line",
                       .found = {},
                       .advice = "Write one into it (`openssl rand -hex 24`), or leave --api-key-file out."});
  }
  while (!more.empty()) {
    const std::string_view key = more.substr(0, more.find_first_of(",\n"));
    more.remove_prefix(std::min(more.size(), key.size() + 1));
    add(key, "VARVE_API_KEYS");
  }
  const std::lock_guard lock(mutex_);
  digests_ = std::move(digests);
}

bool ApiKeys::any() const { return count() > 0; }

size_t ApiKeys::count() const {
  const std::lock_guard lock(mutex_);
  return digests_.size();
}

std::string ApiKeys::known(std::string_view key) const {
  const Digest digest = digest_of(key);
  const std::lock_guard lock(mutex_);
  int equal = 0;
  for (const Digest& one : digests_)
    equal |= static_cast<int>(CRYPTO_memcmp(one.data(), digest.data(), digest.size()) == 0);
  return equal != 0 ? fmt::format("{:02x}", fmt::join(digest, "")) : std::string();
}

std::optional<std::string> ApiKeys::admit(const Headers& headers) const {
  if (!any()) return "";
  std::string_view bearer = headers.get("authorization");
  const size_t blank = bearer.find(' ');
  const bool is_bearer = blank != bearer.npos && lower_case(bearer.substr(0, blank)) == "bearer";
  bearer = is_bearer ? trimmed(bearer.substr(blank)) : std::string_view();
  const std::string_view plain = trimmed(headers.get("x-api-key"));
  // Clients may send both, one of them a placeholder.
  for (const std::string_view key : {bearer, plain})
    if (std::string owner = key.empty() ? "" : known(key); !owner.empty()) return owner;
  return std::nullopt;
}

}  // namespace varve::http
