// Text of a family file -> Family. Structure only: names are checked in family_check.cpp, once merged.
#include <fmt/format.h>

#include <algorithm>

#include "core/toml.h"
#include "family/family.h"
#include "family/hub_value.h"
#include "family/pattern.h"

namespace varve::family {

namespace {

class Reader {
 public:
  explicit Reader(std::string file) : file_(std::move(file)) {}

  Match read_match_of(const Value& root) const {
    Match match;
    if (const Value* section = root.find("match")) read_match(*section, match);
    return match;
  }

  Family read(const Value& root) {
    Family family;
    family.place = {file_, 0};
    for (const auto& [key, value] : root.table()) {
      if (key == "about")
        family.about = text(key, value);
      else if (key == "example")
        family.example = text(key, value);
      else if (key == "extends")
        family.extends = text(key, value);
      else if (key == "match")
        read_match(value, family.match);
      else if (key == "model")
        read_settings(value, family.model);
      else if (key == "axis")
        for (const auto& [name, axis] : table(key, value)) read_axis(axis, family.axes[name]);
      else if (key == "kind")
        for (const auto& [name, kind] : table(key, value)) read_kind(kind, family.kinds[name]);
      else if (key == "mlx")
        read_mlx(value, family.mlx.hub, &family.mlx);
      else if (key == "gguf")
        read_gguf(value, family);
      else if (!read_layout(key, value, family.base.hub, family.hub_tensors, family.hub_spectators))
        read_overlay_part(key, value, family.base);
    }
    return family;
  }

 private:
  Place at(const Value& value) const { return {file_, value.line()}; }

  const Table& table(std::string_view name, const Value& value) const {
    if (!value.is_table())
      fail_at(at(value), fmt::format("[{}] must be a table, not {}", name, value.kind_name()));
    return value.table();
  }
  const std::string& text(std::string_view name, const Value& value) const {
    if (!value.is_text())
      fail_at(at(value), fmt::format("\"{}\" must be a text, not {}", name, value.kind_name()));
    return value.text();
  }
  bool boolean(std::string_view name, const Value& value) const {
    if (!value.is_boolean()) fail_at(at(value), fmt::format("\"{}\" must be true or false", name));
    return value.boolean();
  }
  /// A text or a list of texts.
  std::vector<std::string> texts(std::string_view name, const Value& value) const {
    if (value.is_text()) return {value.text()};
    if (!value.is_array()) fail_at(at(value), fmt::format("\"{}\" must be a text or a list of texts", name));
    std::vector<std::string> out;
    for (const Value& item : value.array()) out.push_back(text(name, item));
    return out;
  }

  Setting setting(const Value& value) const { return read_setting(value, file_); }
  /// The name of a canonical key in a place that takes nothing else: "$tied".
  std::string key_name(std::string_view name, const Value& value) const {
    const std::string& word = text(name, value);
    if (word.size() < 2 || word[0] != '$')
      fail_at(at(value), fmt::format("\"{}\" must name a canonical key: \"$key\", not \"{}\"", name, word));
    return word.substr(1);
  }

  void read_match(const Value& value, Match& match) const {
    for (const auto& [key, item] : table("match", value)) {
      if (key == "model_type")
        match.model_types = texts(key, item);
      else if (key == "architectures")
        match.architectures = texts(key, item);
      else if (key == "gguf")
        match.gguf = texts(key, item);
      else if (key == "inside")
        match.inside = text(key, item);
      else
        fail_unknown(at(item), "member of [match]", key, {"model_type", "architectures", "gguf", "inside"});
    }
  }

  /// Tables are flattened: rope = {theta = 1} is "rope.theta".
  void read_settings(const Value& value, Ordered<Setting>& into, const std::string& prefix = {}) const {
    for (const auto& [key, item] : table(prefix, value)) {
      if (item.is_table())
        read_settings(item, into, prefix + key + ".");
      else
        into[prefix + key] = setting(item);
    }
  }

  Alternative alternative(const Value& value) const {
    if (value.is_text()) return {.form = Alternative::Form::path, .name = value.text()};
    using Form = Alternative::Form;
    Alternative out;
    bool found = false;
    auto set = [&](Form form, const std::string& name) {
      out.form = form;
      out.name = name;
      found = true;
    };
    for (const auto& [key, item] : table("config", value)) {
      if (key == "from")
        set(Form::path, text(key, item));
      else if (key == "rows")
        set(Form::rows, text(key, item));
      else if (key == "cols")
        set(Form::cols, text(key, item));
      else if (key == "numbers")
        set(Form::numbers, text(key, item));
      else if (key == "divisors")
        set(Form::divisors, text(key, item));
      else if (key == "theta")
        out.theta = key_name(key, item);
      else if (key == "says")
        set(Form::says, text(key, item));
      else if (key == "has")
        set(Form::has, text(key, item));
      else if (key == "lacks")
        set(Form::lacks, text(key, item));
      else if (key == "value")
        out.value = item;
      else if (key == "words")
        for (const auto& [word, ours] : table(key, item)) out.words.emplace_back(word, ours);
      else if (key == "only")
        out.only = boolean(key, item);
      else if (key == "when")
        out.when = key_name(key, item);
      else if (key == "each")
        out.each = boolean(key, item);
      else
        fail_unknown(at(item), "word in [config]", key,
                     {"from", "rows", "cols", "numbers", "divisors", "theta", "says", "has", "lacks", "value",
                      "words", "only", "when", "each"});
    }
    if (!found)
      fail_at(at(value),
              "this [config] entry must say one of from, rows, cols, numbers, divisors, says, has, lacks");
    if ((out.form == Form::divisors) == out.theta.empty())
      fail_at(at(value), "\"theta\" stands beside divisors, and must");
    const bool tells = out.form == Form::says || out.form == Form::has || out.form == Form::lacks;
    if (tells == out.value.is_null())
      fail_at(at(value), "\"value\" stands beside says, has or lacks, and must");
    return out;
  }

  Source source(const Value& value) const {
    Source out{.alternatives = {}, .written = value, .place = at(value)};
    if (value.is_array()) {
      for (const Value& item : value.array()) out.alternatives.push_back(alternative(item));
      return out;
    }
    const Value* from = value.find("from");
    if (!from || !from->is_array()) {
      out.alternatives.push_back(alternative(value));
      return out;
    }
    // {from = [a, b], words = ...}: the rest holds for every path.
    for (const Value& item : from->array()) {
      Value one = value;
      *one.table().find("from") = item;
      out.alternatives.push_back(alternative(one));
    }
    return out;
  }

  Default fallback(const Value& value) const {
    if (!value.is_table()) return {.otherwise = setting(value), .absent = {}, .written = value};
    Default out{
        .otherwise = {.constant = {}, .formula = {}, .place = at(value)}, .absent = {}, .written = value};
    for (const auto& [key, item] : value.table()) {
      if (key == "absent")
        out.absent = setting(item);
      else if (key == "otherwise")
        out.otherwise = setting(item);
      else
        fail_unknown(at(item), "word in [defaults]", key, {"absent", "otherwise"});
    }
    return out;
  }

  void read_reading(std::string_view section, const Value& value, Reading& into) const {
    for (const auto& [key, item] : table(section, value)) {
      if (section == "config")
        into.config[key] = source(item);
      else
        into.defaults[key] = fallback(item);
    }
  }

  /// "new name", or {to = "new name", when = "$key"}.
  Rename rename(const std::string& from, const Value& value) const {
    Rename out{.from = from, .to = {}, .when = {}, .written = value, .place = at(value)};
    if (!value.is_table()) {
      out.to = text(from, value);
      return out;
    }
    for (const auto& [key, item] : value.table()) {
      if (key == "to")
        out.to = text(key, item);
      else if (key == "when")
        out.when = key_name(key, item);
      else
        fail_unknown(at(item), "word in [tensors]", key, {"to", "when"});
    }
    return out;
  }

  void read_tensors(const Value& value, TensorRules& rules) const {
    for (const auto& [from, to] : table("tensors", value)) {
      Rename rename = this->rename(from, to);
      if (count_marks(rename.to, '*') > count_marks(from, '*'))
        fail_at(at(to), fmt::format("\"{}\" has more * than \"{}\"", rename.to, from));
      if (count_marks(rename.to, '#') > 0 || count_marks(from, '#') > 1)
        fail_at(at(to), "a rule has at most one #, on the left: it is the expert that is stacked");
      rules.renames.push_back(std::move(rename));
    }
  }

  /// true, "$key", or {from = "$layers"}.
  Drop drop(const std::string& pattern, const Value& value) const {
    Drop out{.pattern = pattern, .when = setting(value), .from = {}, .written = value};
    if (!value.is_table()) {
      if (!value.is_boolean()) key_name(pattern, value);
      return out;
    }
    for (const auto& [key, item] : value.table()) {
      if (key != "from") fail_unknown(at(item), "word in [drop]", key, {"from"});
      out.from = setting(item);
    }
    if (count_marks(pattern, '#') != 1 || out.from.constant.is_null())
      fail_at(at(value), "{from = ...} goes with a pattern that has one #: the number that is compared");
    out.when.constant = true;
    return out;
  }

  Transform transform(const std::string& pattern, const Value& value) const {
    using Form = Transform::Form;
    Transform out{.pattern = pattern,
                  .parts = {},
                  .rows = {},
                  .groups = {},
                  .amount = {},
                  .by_rows = {},
                  .written = value,
                  .place = at(value)};
    int forms = 0;
    for (const auto& [key, item] : table("transforms", value)) {
      if (key == "split") {
        out.form = Form::split;
        out.parts = texts(key, item);
        ++forms;
      } else if (key == "rows") {
        if (!item.is_array()) fail_at(at(item), "\"rows\" must be a list, one for each part");
        for (const Value& rows : item.array()) out.rows.push_back(setting(rows));
      } else if (key == "groups") {
        out.groups = setting(item);
      } else if (key == "when") {
        out.when = key_name(key, item);
      } else if (key == "stack") {
        out.stack = boolean(key, item);
      } else if (key == "unpair" || key == "add" || key == "scale") {
        out.form = key == "add" ? Form::add : key == "scale" ? Form::scale : Form::unpair;
        out.amount = setting(item);
        ++forms;
      } else if (key == "by_rows") {
        out.by_rows = setting(item);
      } else if (key == "transpose" || key == "channels_last") {
        out.form = key == "transpose" ? Form::transpose : Form::channels_last;
        if (!boolean(key, item)) fail_at(at(item), fmt::format("\"{}\" can only be true", key));
        ++forms;
      } else {
        fail_unknown(at(item), "transform", key,
                     {"split", "rows", "groups", "stack", "unpair", "add", "transpose", "channels_last",
                      "scale", "by_rows", "when"});
      }
    }
    if (forms != 1)
      fail_at(at(value), "a transform is exactly one of split, unpair, add, transpose, channels_last, scale");
    check_rows(out);
    for (const std::string& part : out.parts)
      if (count_marks(part, '*') > count_marks(pattern, '*'))
        fail_at(at(value), fmt::format("\"{}\" has more * than \"{}\"", part, pattern));
    return out;
  }

  /// "rows", "stack" and "by_rows" go with others.
  static void check_rows(const Transform& t) {
    if (t.stack && t.groups.place.line == 0)
      fail_at(t.place, "\"stack\" goes with \"groups\": each becomes a matrix of the stack");
    if (t.by_rows.constant.is_null() != (t.form != Transform::Form::scale || t.rows.empty()))
      fail_at(t.place, "\"by_rows\" goes with \"scale\" and \"rows\": a further factor for each run of rows");
    if (t.form != Transform::Form::scale && !t.rows.empty() && t.rows.size() != t.parts.size())
      fail_at(t.place, fmt::format("{} parts, but {} numbers of rows", t.parts.size(), t.rows.size()));
  }

  /// [mlx] or, without its lists of names, [gguf.mlx].
  void read_mlx(const Value& value, TensorRules& rules, MlxRules* lists) const {
    std::vector<std::string> known{"tensors", "transforms"};
    if (lists) known.insert(known.end(), {"canonical", "plain", "eight_bits", "keep_dtype", "unread"});
    for (const auto& [key, item] : table("mlx", value)) {
      if (std::find(known.begin(), known.end(), key) == known.end())
        fail_unknown(at(item), "member of [mlx]", key, known);
      if (key == "tensors")
        read_mlx_tensors(item, rules);
      else if (key == "transforms")
        read_transforms(item, rules);
      else
        for (const std::string& pattern : texts(key, item))
          list_of(key, *lists).push_back({pattern, at(item)});
    }
  }

  void read_mlx_tensors(const Value& value, TensorRules& rules) const {
    read_tensors(value, rules);
    for (const Rename& rename : rules.renames)
      if (count_marks(rename.from, '#') > 0)
        fail_at(rename.place, "no # here: stacks of experts are \"canonical\"");
  }

  static std::vector<Pattern>& list_of(std::string_view key, MlxRules& rules) {
    if (key == "canonical") return rules.canonical;
    if (key == "plain") return rules.plain;
    if (key == "eight_bits") return rules.eight_bits;
    return key == "keep_dtype" ? rules.keep_dtype : rules.unread;
  }

  void read_transforms(const Value& value, TensorRules& rules) const {
    for (const auto& [pattern, change] : table("transforms", value))
      rules.transforms.push_back(transform(pattern, change));
  }

  /// The sections that hub and gguf both have. False: `key` is none of them.
  bool read_layout(const std::string& key, const Value& value, Reading& reading, TensorRules& tensors,
                   Spectators& spectators) const {
    if (key == "config" || key == "defaults") {
      read_reading(key, value, reading);
    } else if (key == "tensors") {
      read_tensors(value, tensors);
    } else if (key == "drop") {
      for (const auto& [pattern, when] : table(key, value)) tensors.drops.push_back(drop(pattern, when));
    } else if (key == "transforms") {
      read_transforms(value, tensors);
    } else if (key == "ignore") {
      for (const auto& [why, keys] : table(key, value))
        for (const std::string& pattern : texts(why, keys)) spectators.ignored[pattern] = {why, at(keys)};
    } else if (key == "expect") {
      for (const auto& [path, values] : table(key, value)) spectators.expected[path] = expected(values);
    } else {
      return false;
    }
    return true;
  }

  Expected expected(const Value& written) const {
    Expected out{.values = {}, .written = written, .place = at(written)};
    if (!written.is_array()) out.values.push_back(setting(written));
    if (written.is_array())
      for (const Value& value : written.array()) out.values.push_back(setting(value));
    return out;
  }

  /// [layer] or a block's table, of the file or of a kind.
  void read_overlay_part(const std::string& key, const Value& value, Overlay& overlay) const {
    read_settings(value, key == "layer" ? overlay.roles : overlay.blocks[key], {});
  }

  void read_kind(const Value& value, Kind& kind) const {
    kind.place = at(value);
    for (const auto& [key, item] : table("kind", value)) {
      if (key == "word")
        kind.words = texts(key, item);
      else if (key == "config" || key == "defaults")
        read_reading(key, item, kind.overlay.hub);
      else
        read_overlay_part(key, item, kind.overlay);
    }
  }

  KindRule rule(const Value& value) const {
    using Form = KindRule::Form;
    static constexpr std::pair<std::string_view, Form> kForms[] = {
        {"list", Form::list},   {"cycle", Form::cycle}, {"indices", Form::indices},
        {"every", Form::every}, {"first", Form::first}, {"from", Form::from}};
    KindRule out;
    out.written = value;
    out.place = at(value);
    for (const auto& [key, item] : table("axis", value)) {
      const auto* form =
          std::find_if(std::begin(kForms), std::end(kForms), [&](const auto& f) { return f.first == key; });
      if (form != std::end(kForms)) {
        out.form = form->second;
        out.value = setting(item);
      } else if (key == "kind") {
        out.kind = text(key, item);
      } else if (key == "offset") {
        out.offset = setting(item);
      } else if (key == "when") {
        out.when = key_name(key, item);
      } else {
        fail_unknown(at(item), "word in a rule of [axis]", key,
                     {"list", "cycle", "indices", "every", "first", "from", "kind", "offset", "when"});
      }
    }
    const bool names_kind = out.form != Form::list && out.form != Form::cycle;
    if (names_kind == out.kind.empty())
      fail_at(out.place, names_kind ? "this rule lacks its \"kind\""
                                    : "list and cycle take their kinds from the config");
    return out;
  }

  void read_axis(const Value& value, Axis& axis) const {
    axis.place = at(value);
    for (const auto& [key, item] : table("axis", value)) {
      if (key != "rules") fail_unknown(at(item), "member of an [axis]", key, {"rules"});
      if (!item.is_array()) fail_at(at(item), "\"rules\" must be a list of tables");
      for (const Value& one : item.array()) axis.rules.push_back(rule(one));
    }
    if (axis.rules.empty() || axis.rules.back().form != KindRule::Form::otherwise ||
        !axis.rules.back().when.empty())
      fail_at(axis.place,
              "the last rule of an axis must say {kind = ...} for the layers that no other speaks about");
  }

  void read_gguf(const Value& value, Family& family) const {
    for (const auto& [key, item] : table("gguf", value)) {
      if (key == "hub") {
        for (const auto& [name, member] : table(key, item))
          family.gguf_hub[name] = read_hub_value(member, file_);
      } else if (key == "kind") {
        for (const auto& [name, kind] : table(key, item))
          for (const auto& [section, part] : table(name, kind)) {
            if (section != "config" && section != "defaults")
              fail_unknown(at(part), "member of [gguf.kind]", section, {"config", "defaults"});
            read_reading(section, part, family.kinds[name].overlay.gguf);
          }
      } else if (key == "mlx") {
        read_mlx(item, family.mlx.gguf, nullptr);
      } else if (!read_layout(key, item, family.base.gguf, family.gguf_tensors, family.gguf_spectators)) {
        fail_unknown(at(item), "member of [gguf]", key,
                     {"config", "defaults", "tensors", "drop", "transforms", "mlx", "ignore", "expect",
                      "kind", "hub"});
      }
    }
  }

  std::string file_;
};

}  // namespace

Setting read_setting(const Value& value, const std::string& file) {
  Setting out{.constant = value, .formula = {}, .place = {file, value.line()}};
  if (value.is_text() && Formula::is_formula(value.text()))
    out.formula = Formula::parse(value.text(), out.place);
  return out;
}

Family read_family(std::string_view text, const std::string& file) {
  return Reader(file).read(toml::parse(text, file));
}

Match read_match(std::string_view text, const std::string& file) {
  return Reader(file).read_match_of(toml::parse(text, file));
}

}  // namespace varve::family
