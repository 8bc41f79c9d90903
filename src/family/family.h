#pragma once
// A family file as data: how the configs and tensors of some checkpoints map onto the blocks of nn.
// docs/family-language.md is the user's page; this is what the reader makes of a file, with the files it
// extends already merged in, and every piece knowing the line it came from.
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/value.h"
#include "family/formula.h"
#include "family/problem.h"

namespace varve::family {

/// Named things in the order of the text.
template <class T>
class Ordered {
 public:
  const T* find(std::string_view name) const {
    for (const auto& [key, value] : items_)
      if (key == name) return &value;
    return nullptr;
  }
  /// The thing of that name, made when there is none.
  T& operator[](std::string_view name) {
    for (auto& [key, value] : items_)
      if (key == name) return value;
    return items_.emplace_back(std::string(name), T{}).second;
  }
  bool empty() const { return items_.empty(); }
  size_t size() const { return items_.size(); }
  auto begin() const { return items_.begin(); }
  auto end() const { return items_.end(); }
  auto begin() { return items_.begin(); }
  auto end() { return items_.end(); }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& [key, value] : items_) out.push_back(key);
    return out;
  }

 private:
  std::vector<std::pair<std::string, T>> items_;
};

/// A constant, or a formula over canonical keys.
struct Setting {
  Value constant;
  std::optional<Formula> formula;
  Place place;
};

/// One way in which a checkpoint may say a canonical key.
struct Alternative {
  enum class Form : uint8_t {
    path,      // the config's member `name`, "a.b"; "$key.b" looks inside the table that key names
    rows,      // the number of rows of the stored tensor `name`
    cols,      // its last dimension
    numbers,   // the elements of the stored tensor `name`
    divisors,  // the rope table whose frequencies' divisors the stored tensor `name` holds
    says,      // `value` when the config has the member `name`
    has,       // `value` when there is a stored tensor `name`
    lacks,     // `value` when there is none, among tensors that are known
  };
  Form form = Form::path;
  std::string name;
  Value value;
  std::vector<std::pair<std::string, Value>> words;  // the config's word -> ours; others pass
  bool only = false;                                 // a word that is not listed says nothing
  std::string when;                                  // a canonical key that must be true; empty: always
  bool each = false;                                 // a list with one value for each layer
  std::string theta;                                 // divisors: the canonical key of the frequencies' base
  bool reads_config() const { return form == Form::path || form == Form::says; }
};

struct Source {
  std::vector<Alternative> alternatives;  // the first that is present wins; none: never in the config
  Value written;                          // as in the file, for people
  Place place;
};

struct Default {
  Setting otherwise;              // the config lacks the key or says null
  std::optional<Setting> absent;  // when set: the config lacks the key altogether
  Value written;
};

/// Where canonical keys come from in one layout of checkpoint.
struct Reading {
  Ordered<Source> config;
  Ordered<Default> defaults;
};

/// What a file says about all layers, or (in a kind) about some: the kind's word wins.
struct Overlay {
  Ordered<Setting> roles;            // layer, mixer, ffn, norm, final_norm -> block
  Ordered<Ordered<Setting>> blocks;  // block -> parameter ("window", "rope.theta")
  Reading hub;                       // Hugging Face's and MLX's layout
  Reading gguf;
};

struct Kind {
  std::vector<std::string> words;  // what configs call it
  Overlay overlay;
  Place place;
};

/// One rule of an axis: for the layers it speaks about, their kind.
struct KindRule {
  enum class Form : uint8_t { list, cycle, indices, every, first, from, otherwise };
  Form form = Form::otherwise;
  Setting value;   // list, cycle, indices: a list or text; every, first, from: a number
  Setting offset;  // of every: layers i with i % n == offset; n - 1 when null
  std::string kind;
  std::string when;
  Value written;
  Place place;
};

/// Every layer has one kind of each axis: that of the first rule that speaks about it.
struct Axis {
  std::vector<KindRule> rules;
  Place place;
};

struct Rename {
  std::string from, to;
  std::string when;  // a canonical key that must be true; empty: always
  Value written;
  Place place;
};

struct Drop {
  std::string pattern;
  Setting when;  // true, or a canonical key
  Setting from;  // when it says something: only where the pattern's # is at least so much
  Value written;
};

/// A change to tensors of the name `pattern`, before anyone sees them.
struct Transform {
  enum class Form : uint8_t { split, unpair, transpose, channels_last, scale, add };
  Form form = Form::add;
  std::string pattern;
  std::vector<std::string> parts;  // split: the new names
  std::vector<Setting> rows;       // split: rows of each part (of one group); scale: of each run
  Setting groups;                  // split: the rows are so many groups, each holding every part; 1
  bool stack = false;              // split: the groups' rows become matrices of a stack
  Setting amount;                  // unpair: heads; add: the number; scale: the factor
  Setting by_rows;                 // scale: a further factor for each of `rows`
  std::string when;                // a canonical key that must be true; empty: always
  Value written;
  Place place;
};

struct TensorRules {
  std::vector<Rename> renames;  // each applies once, in order
  std::vector<Drop> drops;
  std::vector<Transform> transforms;
};

/// A pattern and the line it stands on.
struct Pattern {
  std::string text;
  Place place;
};

/// How MLX keeps the family's tensors: [mlx] and [gguf.mlx].
struct MlxRules {
  std::vector<Pattern> canonical;   // tensors that are as the family's own rules make them, by canonical name
  TensorRules hub;                  // names of those, stored ones of all others -> MLX's; no drops of its own
  TensorRules gguf;                 // canonical names -> what `hub` renames further
  std::vector<Pattern> plain;       // modules that are never quantised
  std::vector<Pattern> eight_bits;  // modules that are pinned to 8 bits
  std::vector<Pattern> keep_dtype;  // tensors that no cast changes
  std::vector<Pattern> unread;      // tensors that mlx-lm's class of this very family has no place for
};

struct Ignored {
  std::string why;  // the word the file lists it under
  Place place;
};

/// A key that is harmless while it says one of `values`; without any: while it is absent.
struct Expected {
  std::vector<Setting> values;
  Value written;
  Place place;
};

/// Config keys that are no canonical key.
struct Spectators {
  Ordered<Ignored> ignored;  // patterns: harmless whatever they say
  Ordered<Expected> expected;
};

/// A member of the config.json that a GGUF file becomes ([gguf.hub]).
struct HubValue {
  enum class Form : uint8_t {
    setting,  // the value of `setting`; nothing where it says nothing
    null,     // null
    table,    // `members` by key; nothing where none of them says anything
    choice,   // of `members` the one under the word that `setting` says, or under "else"; nothing without one
  };
  Form form = Form::setting;
  Setting setting;
  std::vector<std::pair<std::string, HubValue>> members;
  Value written;
  Place place;
};

struct Match {
  std::vector<std::string> model_types, architectures, gguf;
  std::string inside;  // a member of the config that may hold the keys ("text_config")
};

struct Family {
  std::string name;  // the file's, without .toml
  std::string about;
  std::string example;  // a checkpoint of the family, for people
  std::string extends;
  Place place;
  bool part = false;  // a name with a leading _: only for others to extend
  Match match;
  Ordered<Setting> model;
  Overlay base;
  Ordered<Axis> axes;
  Ordered<Kind> kinds;
  TensorRules hub_tensors, gguf_tensors;
  MlxRules mlx;
  Spectators hub_spectators, gguf_spectators;
  Ordered<HubValue> gguf_hub;
};

/// The members of [model] and of [layer], in order.
const std::vector<std::string>& model_settings();
const std::vector<std::string>& layer_roles();

/// A constant, or the formula that a text with a "$" is.
Setting read_setting(const Value& value, const std::string& file);

/// Reads one file's text. Errors name `file` and the line. Neither merged nor checked against the blocks.
Family read_family(std::string_view text, const std::string& file);

/// Its [match] alone.
Match read_match(std::string_view text, const std::string& file);

/// `child` over `parent`: the child's word wins key by key; its tensor rules come first.
Family extend(const Family& parent, Family child);

/// Checks a merged family: every placeholder, block, parameter, kind and word exists, and every canonical
/// key that the file itself defines is used by something.
void check_family(const Family& family);

/// The canonical keys that something of the family uses, directly or through other keys; sorted.
/// With `hub`: what [gguf.hub] uses as well.
std::vector<std::string> used_keys(const Family& family, bool hub = false);

/// The canonical key that every family has: the layer's number from 0, nothing for the whole model.
inline constexpr std::string_view kLayerKey = "layer";

/// Keys that [config], [defaults] or a kind of this family define, and kLayerKey.
std::vector<std::string> canonical_keys(const Family& family);

}  // namespace varve::family
