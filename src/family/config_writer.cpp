#include "family/config_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "core/json.h"
#include "family/hub_value.h"
#include "family/match.h"
#include "family/resolve.h"
#include "family/spec_difference.h"

namespace varve::family {

using checkpoint::Checkpoint;

namespace {

/// A word of [config] as configs hold it: its keys are all texts in a family file.
Value their_word(const std::string& word) {
  if (word == "true" || word == "false") return word == "true";
  const bool number = !word.empty() && word.find_first_not_of("-0123456789") == std::string::npos;
  return number ? json::parse(word).value() : Value(word);
}

/// Our value as the config says it; nothing where it has no word for it.
std::optional<Value> in_their_words(const Alternative& alternative, const Value& ours) {
  if (ours.is_array()) {
    Array out;
    for (const Value& item : ours.array()) {
      std::optional<Value> theirs = in_their_words(alternative, item);
      if (!theirs) return std::nullopt;
      out.push_back(std::move(*theirs));
    }
    return Value(std::move(out));
  }
  if (alternative.words.empty()) return ours;
  bool texts = false;
  for (const auto& [word, meaning] : alternative.words) {
    const Value theirs = their_word(word);
    texts = texts || theirs.is_text();
    // A text for a text is a synonym: ours is one of their own words.
    const bool synonym = theirs.is_text() && ours.is_text() && !alternative.only;
    if (meaning == ours && !synonym) return theirs;
  }
  const bool passes = !alternative.only && (ours.is_number() || (ours.is_text() && texts));
  return passes ? std::optional(ours) : std::nullopt;
}

/// Sets the member at "a.b".
void set_path(Table& table, std::string_view path, Value value) {
  const size_t dot = path.find('.');
  if (dot == std::string_view::npos) return table.set(path, std::move(value));
  const std::string_view first = path.substr(0, dot);
  if (const Value* inner = table.find(first); !inner || !inner->is_table()) table.set(first, Table{});
  set_path(table.find(first)->table(), path.substr(dot + 1), std::move(value));
}

class Writer {
 public:
  Writer(const Family& source, const ConfigView& view, const FamilyLibrary& library)
      : source_(source), view_(view), library_(library), whole_(source, view) {}

  HubConfig write() {
    for (const auto& [key, value] : source_.gguf_hub)
      if (std::optional<Value> said = evaluate(value, whole_)) config_.set(key, std::move(*said));
    const Family& target = find_target();
    const std::vector<std::string> used = used_keys(target);
    const auto add_all = [&](const Reading& reading, Answers& answers) {
      for (const auto& [key, from] : reading.config)
        if (std::binary_search(used.begin(), used.end(), key)) add(key, from, answers);
    };
    add_all(target.base.hub, whole_);
    for (const auto& [name, kind] : target.kinds) {
      const Kind* same = source_.kinds.find(name);
      if (!same) continue;
      Answers answers(source_, view_, {same});
      add_all(kind.overlay.hub, answers);
    }
    add_tokens();
    if (!said("torch_dtype")) config_.set("torch_dtype", dtype());
    return {.config = std::move(config_), .family = &target};
  }

 private:
  /// Does [gguf.hub] speak about the member that holds the path?
  bool said(std::string_view path) const {
    return source_.gguf_hub.find(path.substr(0, path.find('.'))) != nullptr;
  }

  /// By [gguf.hub]'s model_type, else the family's first.
  const Family& find_target() {
    if (!config_.find("model_type")) {
      if (source_.match.model_types.empty())
        fail_at(source_.place, "a family without model_type under [match] has no config.json",
                "Say model_type under [gguf.hub].");
      config_.set("model_type", source_.match.model_types.front());
    }
    const Value& type = *config_.find("model_type");
    const auto reads = [&](const Match& match) {
      return type.is_text() && std::find(match.model_types.begin(), match.model_types.end(), type.text()) !=
                                   match.model_types.end();
    };
    const Family* target = reads(source_.match) ? &source_ : nullptr;
    for (const std::string& name : library_.by_precedence())
      if (!target && reads(library_.match_of(name))) target = library_.find(name);
    if (!target)
      fail_at(source_.place,
              fmt::format("[gguf.hub] names the model_type {}, which no family reads", json::dump(type)));
    if (!config_.find("architectures") && !target->match.architectures.empty())
      config_.set("architectures", Array{Value(target->match.architectures.front())});
    return *target;
  }

  /// A canonical key at the first path that says it by itself. A key that [gguf.hub] says somewhere is done.
  void add(const std::string& key, const Source& from, Answers& answers) {
    const auto path = [](const Alternative& a) {
      return a.form == Alternative::Form::path && a.name[0] != '$';
    };
    const auto& all = from.alternatives;
    if (std::any_of(all.begin(), all.end(), [&](const Alternative& a) { return path(a) && said(a.name); }))
      return;
    const auto plain = std::find_if(all.begin(), all.end(), [&](const Alternative& a) {
      return path(a) && !a.each && a.name.find('<') == std::string::npos &&
             (a.when.empty() || answers.holds(a.when));
    });
    if (plain == all.end()) return;
    const Value& ours = answers.get(key).value;
    if (ours.is_null()) return;
    if (std::optional<Value> theirs = in_their_words(*plain, ours))
      set_path(config_, plain->name, std::move(*theirs));
  }

  void add_tokens() {
    for (const auto& [key, stored] : {std::pair{"bos_token_id", "tokenizer.ggml.bos_token_id"},
                                      {"pad_token_id", "tokenizer.ggml.padding_token_id"}})
      if (const Value* id = view_.config.find(stored); id && !said(key)) config_.set(key, *id);
    Array ends = checkpoint::gguf_end_tokens(view_.config);
    if (ends.empty() || said("eos_token_id")) return;
    config_.set("eos_token_id", ends.size() == 1 ? ends.front() : Value(std::move(ends)));
  }

  /// Of the plain type that most of the matrices' bytes have.
  std::string dtype() const {
    size_t plain[2] = {0, 0}, other = 0;
    for (const auto& [name, tensor] : view_.checkpoint->tensors) {
      if (tensor.shape.size() < 2) continue;
      const bool block = tensor.block != checkpoint::BlockType::none;
      if (!block && tensor.dtype == DType::bf16)
        plain[0] += tensor.bytes.size();
      else if (!block && tensor.dtype == DType::f32)
        plain[1] += tensor.bytes.size();
      else
        other += tensor.bytes.size();
    }
    if (plain[0] > std::max(plain[1], other)) return "bfloat16";
    return plain[1] > other ? "float32" : "float16";
  }

  const Family& source_;
  const ConfigView& view_;
  const FamilyLibrary& library_;
  Answers whole_;
  Table config_;
};

/// Where a report says that a difference comes from.
std::string origin_of(const SpecReport& report, const SpecDifference& difference) {
  for (const Origin& origin : report.origins)
    if (origin.name == difference.name || origin.name.starts_with(difference.name + ".")) return origin.from;
  return "the family";
}

void prove(const Matched& matched, const HubConfig& written) {
  SpecReport before, after;
  const nn::ModelSpec file = resolve_config(*matched.family, matched.view, before);
  const ConfigView view{.config = written.config,
                        .gguf = false,
                        .arch = {},
                        .where = matched.view.where + " (as config.json)",
                        .checkpoint = nullptr};
  const nn::ModelSpec config = resolve_config(*written.family, view, after);
  const std::optional<SpecDifference> wrong = difference(file, config);
  if (!wrong) return;
  const auto told = [&](const Value& value, const SpecReport& report) {
    return fmt::format("{}, from {}", json::dump(value), origin_of(report, *wrong));
  };
  const std::string place = wrong->layer < 0 ? "" : fmt::format(" of layer {}", wrong->layer);
  throw LoadError({.what = fmt::format("\"{}\"{} does not come back from a config.json", wrong->name, place),
                   .where = matched.view.where,
                   .expected = told(wrong->first, before),
                   .found = told(wrong->second, after),
                   .advice = fmt::format("Say the key that is meant under [gguf.hub] of a family file that "
                                         "extends \"{}\" and give it with --family.",
                                         matched.family->name)});
}

}  // namespace

HubConfig hub_config(const Checkpoint& gguf, const FamilyLibrary& library) {
  check(gguf.layout == Checkpoint::Layout::gguf, "hub_config of a checkpoint that has a config");
  const Matched matched = match_checkpoint(gguf, library);
  HubConfig written = Writer(*matched.family, matched.view, library).write();
  prove(matched, written);
  return written;
}

}  // namespace varve::family
