#pragma once
// What every call into textkit needs: results that free themselves, and statuses that become our errors.
// Internal to src/text.
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "textkit.h"

namespace varve::text {

inline tk_text borrow(std::string_view text) { return {text.data(), text.size()}; }

/// Bytes that textkit made, freed with the object.
class Bytes {
 public:
  Bytes() = default;
  ~Bytes() { tk_buffer_free(&buffer_); }
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;
  tk_buffer* out() { return &buffer_; }
  std::string str() const { return buffer_.len == 0 ? std::string() : std::string(buffer_.ptr, buffer_.len); }

 private:
  tk_buffer buffer_{nullptr, 0};
};

/// Ids that textkit made, freed with the object.
class Ids {
 public:
  Ids() = default;
  ~Ids() { tk_ids_free(&ids_); }
  Ids(const Ids&) = delete;
  Ids& operator=(const Ids&) = delete;
  tk_ids* out() { return &ids_; }
  std::vector<int32_t> vec() const { return {ids_.ptr, ids_.ptr + ids_.len}; }

 private:
  tk_ids ids_{nullptr, 0};
};

/// Throws LoadError unless `status` is TK_OK: for files.
void require(tk_status status, const Bytes& error, const std::string& where, const std::string& advice = {});

/// The refused request: for what a user gave.
RequestError refused(const Bytes& error, std::string field = {});

/// Ids as textkit takes them.
std::vector<uint32_t> unsigned_ids(std::span<const int32_t> ids);

}  // namespace varve::text
