#pragma once
// Text to ids and back, as the checkpoint's tokenizer.json says. One object serves any number of threads.
//
// Text never becomes a control token unless `parse_special` asks for it: a user who writes "</s>" gets the
// pieces of that spelling. For a user's text inside a chat template see chat_template.h.
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "text/text_assets.h"

struct tk_tokenizer;

namespace varve::text {

struct EncodeOptions {
  /// Add what the checkpoint puts around a text: bos, eos, [CLS] and the like.
  bool add_special = false;
  /// Spellings of control tokens in the text become these tokens.
  bool parse_special = false;
};

/// A token that is matched in the text before the model sees it.
struct AddedToken {
  int32_t id = 0;
  std::string content;
  bool special = false;  // left out of decoded text where that is asked for
  bool control = false;  // never made from a user's text
};

class Tokenizer {
 public:
  /// LoadError when the assets hold no usable tokenizer. Truncation and padding of the file are not applied.
  static Tokenizer load(const TextAssets& assets);

  /// A RequestError when the text is not UTF-8 (the message says where) or cannot be represented.
  Result<std::vector<int32_t>> encode(std::string_view text, EncodeOptions options = {}) const;

  /// `text` is the output of a chat template whose strings went through shield(): control tokens are parsed,
  /// except for the shielded spellings.
  Result<std::vector<int32_t>> encode_shielded(std::string_view text) const;

  /// The text with an invisible mark inside each spelling of a control token; unchanged when it has none.
  std::string shield(std::string_view text) const;

  /// Ids without a token have no text. Bytes that are no UTF-8 become U+FFFD.
  std::string decode(std::span<const int32_t> ids, bool skip_special = false) const;

  /// The token as the vocabulary spells it ("Ġthe", "▁the", "<0x0A>"); empty when there is none.
  std::string piece(int32_t id) const;
  /// The bytes that the token stands for in the middle of a text; empty when there is none.
  std::string bytes(int32_t id) const;
  std::optional<int32_t> id(std::string_view token) const;
  /// One more than the largest id.
  int32_t vocab_size() const;
  const std::vector<AddedToken>& added_tokens() const { return added_; }
  bool is_control(int32_t id) const;

  /// The id of a special token by its name in the checkpoint's files: "bos_token", "eos_token", ...
  std::optional<int32_t> special_id(const std::string& name) const;
  std::optional<int32_t> bos_id() const { return special_id("bos_token"); }
  std::optional<int32_t> eos_id() const { return special_id("eos_token"); }
  /// "bos_token" -> "<s>" and so on: what chat templates see.
  const std::map<std::string, std::string>& special_tokens() const { return special_tokens_; }

  /// For the parts of src/text that call textkit.
  const tk_tokenizer* handle() const { return handle_.get(); }

 private:
  struct Free {
    void operator()(tk_tokenizer* tokenizer) const;
  };
  Tokenizer() = default;
  Result<std::vector<int32_t>> encode_with(std::string_view text, uint32_t flags) const;
  void place_marks(const TextAssets& assets);

  std::unique_ptr<tk_tokenizer, Free> handle_;
  std::vector<AddedToken> added_;
  std::vector<int32_t> control_ids_;  // sorted
  std::map<std::string, std::string> special_tokens_;
  // What the checkpoint's add_bos/add_eos change about what tokenizer.json puts around a text.
  enum class Edit { keep, add, drop };
  Edit begin_ = Edit::keep;
  Edit end_ = Edit::keep;
};

}  // namespace varve::text
