#include "text/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/log.h"
#include "text/textkit_call.h"

namespace varve::text {

void Tokenizer::Free::operator()(tk_tokenizer* tokenizer) const { tk_tokenizer_free(tokenizer); }

namespace {

std::vector<AddedToken> read_added(const tk_tokenizer* handle) {
  std::vector<AddedToken> tokens;
  const size_t count = tk_tokenizer_added_count(handle);
  tokens.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    uint32_t id = 0;
    AddedToken token;
    Bytes content;
    const tk_status status =
        tk_tokenizer_added(handle, i, &id, &token.special, &token.control, content.out());
    check(status == TK_OK, "textkit lists its added tokens");
    token.id = static_cast<int32_t>(id);
    token.content = content.str();
    tokens.push_back(std::move(token));
  }
  return tokens;
}

}  // namespace

Tokenizer Tokenizer::load(const TextAssets& assets) {
  std::vector<std::string> control = assets.control_tokens;
  for (const auto& [name, spelling] : assets.special_tokens) control.push_back(spelling);
  std::vector<tk_text> borrowed;
  borrowed.reserve(control.size());
  for (const std::string& spelling : control) borrowed.push_back(borrow(spelling));

  Tokenizer tokenizer;
  tk_tokenizer* handle = nullptr;
  Bytes error;
  require(tk_tokenizer_load(borrow(assets.tokenizer_json), borrowed.data(), borrowed.size(), &handle,
                            error.out()),
          error, assets.origin, "fetch the checkpoint's tokenizer files again");
  tokenizer.handle_.reset(handle);
  tokenizer.added_ = read_added(handle);
  for (const AddedToken& token : tokenizer.added_) {
    if (token.control) tokenizer.control_ids_.push_back(token.id);
  }
  std::sort(tokenizer.control_ids_.begin(), tokenizer.control_ids_.end());
  tokenizer.special_tokens_ = assets.special_tokens;
  tokenizer.place_marks(assets);
  return tokenizer;
}

// add_bos and add_eos of the other files have the last word over the post-processor of tokenizer.json.
void Tokenizer::place_marks(const TextAssets& assets) {
  const auto around = encode_with("", TK_ADD_SPECIAL);
  if (!around.ok()) return;
  const std::vector<int32_t>& ids = around.value();
  const auto edit = [&](std::optional<bool> wanted, std::optional<int32_t> mark, bool present) {
    if (!wanted || !mark || *wanted == present) return Edit::keep;
    return *wanted ? Edit::add : Edit::drop;
  };
  const auto bos = bos_id();
  const auto eos = eos_id();
  const bool has_bos = bos && !ids.empty() && ids.front() == *bos;
  const bool has_eos = eos && ids.size() > (has_bos ? 1u : 0u) && ids.back() == *eos;
  begin_ = edit(assets.add_bos, bos, has_bos);
  end_ = edit(assets.add_eos, eos, has_eos);
}

Result<std::vector<int32_t>> Tokenizer::encode_with(std::string_view text, uint32_t flags) const {
  Ids ids;
  Bytes error;
  if (tk_tokenizer_encode(handle(), borrow(text), flags, ids.out(), error.out()) != TK_OK) {
    return refused(error);
  }
  return ids.vec();
}

Result<std::vector<int32_t>> Tokenizer::encode(std::string_view text, EncodeOptions options) const {
  uint32_t flags = 0;
  if (options.add_special) flags |= TK_ADD_SPECIAL;
  if (options.parse_special) flags |= TK_PARSE_SPECIAL;
  auto encoded = encode_with(text, flags);
  if (!encoded.ok() || !options.add_special) return encoded;
  std::vector<int32_t>& ids = encoded.value();
  if (begin_ == Edit::add) ids.insert(ids.begin(), *bos_id());
  if (begin_ == Edit::drop) ids.erase(ids.begin());
  if (end_ == Edit::add) ids.push_back(*eos_id());
  if (end_ == Edit::drop) ids.pop_back();
  return encoded;
}

Result<std::vector<int32_t>> Tokenizer::encode_shielded(std::string_view text) const {
  return encode_with(text, TK_SHIELDED);
}

std::string Tokenizer::shield(std::string_view text) const {
  Bytes out;
  Bytes error;
  // Text that is no UTF-8 comes back as it is: encoding it gives the error.
  if (tk_tokenizer_shield(handle(), borrow(text), out.out(), error.out()) != TK_OK) return std::string(text);
  return out.str();
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
  const std::vector<uint32_t> plain = unsigned_ids(ids);
  Bytes out;
  Bytes error;
  if (tk_tokenizer_decode(handle(), plain.data(), plain.size(), skip_special, out.out(), error.out()) !=
      TK_OK) {
    log::error(fmt::format("tokenizer: {} ids could not be decoded: {}", ids.size(), error.str()));
  }
  return out.str();
}

namespace {

std::string spelled(const tk_tokenizer* handle, int32_t id, bool as_bytes) {
  Bytes out;
  Bytes error;
  if (id < 0 ||
      tk_tokenizer_piece(handle, static_cast<uint32_t>(id), as_bytes, out.out(), error.out()) != TK_OK) {
    return {};
  }
  return out.str();
}

}  // namespace

std::string Tokenizer::piece(int32_t id) const { return spelled(handle(), id, false); }

std::string Tokenizer::bytes(int32_t id) const { return spelled(handle(), id, true); }

std::optional<int32_t> Tokenizer::id(std::string_view token) const {
  const int64_t found = tk_tokenizer_id(handle(), borrow(token));
  if (found < 0) return std::nullopt;
  return static_cast<int32_t>(found);
}

int32_t Tokenizer::vocab_size() const { return static_cast<int32_t>(tk_tokenizer_vocab_size(handle())); }

bool Tokenizer::is_control(int32_t id) const {
  return std::binary_search(control_ids_.begin(), control_ids_.end(), id);
}

std::optional<int32_t> Tokenizer::special_id(const std::string& name) const {
  const auto found = special_tokens_.find(name);
  if (found == special_tokens_.end()) return std::nullopt;
  return id(found->second);
}

}  // namespace varve::text
