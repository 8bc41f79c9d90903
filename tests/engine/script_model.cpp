#include "engine/script_model.h"

#include "core/json.h"

namespace varve::test {

namespace {

constexpr int32_t kEnd = 256;

/// GPT-2's spelling of a byte.
std::string spelling(int byte) {
  int code = byte;
  const auto printable = [](int b) {
    return (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
  };
  if (!printable(byte)) {
    code = 0x100;
    for (int b = 0; b < byte; ++b) code += printable(b) ? 0 : 1;
  }
  if (code < 0x80) return std::string(1, static_cast<char>(code));
  return {static_cast<char>(0xC0 | (code >> 6)), static_cast<char>(0x80 | (code & 0x3F))};
}

Table table(std::initializer_list<std::pair<const char*, Value>> members) {
  Table out;
  for (const auto& [key, value] : members) out.set(key, value);
  return out;
}

}  // namespace

text::TextAssets byte_assets(const std::vector<Marker>& markers, const std::string& chat_template) {
  Table vocab;
  for (int byte = 0; byte < 256; ++byte) vocab.set(spelling(byte), Value(byte));
  Array added;
  for (size_t i = 0; i < markers.size(); ++i) {
    added.push_back(Value(table({{"id", Value(256 + static_cast<int>(i))},
                                 {"content", Value(markers[i].text)},
                                 {"single_word", Value(false)},
                                 {"lstrip", Value(false)},
                                 {"rstrip", Value(false)},
                                 {"normalized", Value(false)},
                                 {"special", Value(markers[i].special)}})));
  }
  const Value byte_level(table({{"type", Value("ByteLevel")},
                                {"add_prefix_space", Value(false)},
                                {"trim_offsets", Value(false)},
                                {"use_regex", Value(false)}}));
  const Table root = table({{"version", Value("1.0")},
                            {"truncation", Value()},
                            {"padding", Value()},
                            {"added_tokens", Value(added)},
                            {"normalizer", Value()},
                            {"pre_tokenizer", byte_level},
                            {"post_processor", Value()},
                            {"decoder", byte_level},
                            {"model", Value(table({{"type", Value("BPE")},
                                                   {"dropout", Value()},
                                                   {"unk_token", Value()},
                                                   {"continuing_subword_prefix", Value()},
                                                   {"end_of_word_suffix", Value()},
                                                   {"fuse_unk", Value(false)},
                                                   {"byte_fallback", Value(false)},
                                                   {"vocab", Value(vocab)},
                                                   {"merges", Value(Array())}}))}});
  return {.tokenizer_json = json::dump(Value(root)),
          .chat_templates = {{"default", chat_template}},
          .special_tokens = {{"eos_token", markers.at(0).text}},
          .control_tokens = {},
          .add_bos = {},
          .add_eos = {},
          .origin = "a test"};
}

ScriptModel::ScriptModel(int64_t vocab, int64_t max_positions) {
  spec_.vocab = vocab;
  spec_.max_positions = max_positions;
  state_.page_bytes = 64;
  say({});
}

void ScriptModel::say(std::vector<int32_t> tokens) {
  script_ = [tokens = std::move(tokens)](const std::vector<int32_t>& answer) {
    return answer.size() < tokens.size() ? tokens[answer.size()] : kEnd;
  };
}

void ScriptModel::forward(const nn::Step& step, ops::Backend&, const Output& output) {
  size_t row = 0;
  for (const nn::Step::Slice& slice : step.slices) {
    std::vector<int32_t>& tokens = seen_[slice.pages.front()];
    tokens.resize(static_cast<size_t>(slice.position));
    for (int32_t i = slice.begin; i < slice.begin + slice.count; ++i) {
      tokens.push_back(step.tokens[static_cast<size_t>(i)]);
      if (row == step.logit_rows.size() || step.logit_rows[row] != i) continue;
      float* logits = output.logits + static_cast<int64_t>(row++) * spec_.vocab;
      // Where a mask forbids what it wants: the end if it may, else the first visible byte that may.
      for (int64_t v = 0; v < spec_.vocab; ++v)
        logits[v] = -1e-3f * static_cast<float>(v) - (v > ' ' ? 0.0f : 1.0f);
      logits[kEnd] = 5.0f;
      const std::vector<int32_t> answer(tokens.begin() + static_cast<ptrdiff_t>(prompt_), tokens.end());
      logits[script_(answer)] = 10.0f;
    }
  }
}

}  // namespace varve::test
