#include "family/config_check.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/json.h"
#include "family/pattern.h"

namespace varve::family {

namespace {

class Walker {
 public:
  Walker(const Family& family, const ConfigView& view)
      : family_(family),
        view_(view),
        spectators_(view.spectators(family)),
        readable_(readable_paths(family, view)) {
    for (const auto& [path, expected] : spectators_.expected) readable_.push_back(with_arch(path, view));
    std::sort(readable_.begin(), readable_.end());
  }

  void walk(const Value& value, const std::string& prefix, int depth) {
    for (const auto& [key, member] : value.table()) {
      const std::string path = prefix + key;
      if (member.is_null() || known(path, member)) continue;
      const bool inner = member.is_table() && depth < 8 && leads_on(path + ".");
      if (inner)
        walk(member, path + ".", depth + 1);
      else if (!harmless(path))
        unread.push_back({path, member, idle_key(path)});
    }
  }

  std::vector<UnreadKey> unread;

 private:
  /// A readable table is read member by member: only readable leaves count, so look on below it.
  bool known(const std::string& path, const Value& member) const {
    return std::binary_search(readable_.begin(), readable_.end(), path) &&
           (member.is_array() || !leads_on(path + "."));
  }
  bool leads_on(const std::string& prefix) const {
    const auto next = std::lower_bound(readable_.begin(), readable_.end(), prefix);
    return next != readable_.end() && next->compare(0, prefix.size(), prefix) == 0;
  }
  bool harmless(const std::string& path) const {
    return std::any_of(spectators_.ignored.begin(), spectators_.ignored.end(), [&](const auto& pattern) {
      return match_pattern(with_arch(pattern.first, view_), path).has_value();
    });
  }

  std::string idle_key(const std::string& path) const {
    for (const auto& [key, source] : view_.reading(family_.base).config)
      for (const Alternative& a : source.alternatives)
        if (with_arch(a.name, view_) == path) return key;
    return {};
  }

  const Family& family_;
  const ConfigView& view_;
  const Spectators& spectators_;
  std::vector<std::string> readable_;
};

bool same(const Value& a, const Value& b) {
  return a == b || (a.is_number() && b.is_number() && a.number() == b.number());
}

std::string short_text(const Value& value) {
  std::string text = json::dump(value);
  return text.size() > 60 ? text.substr(0, 57) + "..." : text;
}

void check_expected(const Family& family, const ConfigView& view) {
  Answers answers(family, view);
  for (const auto& [written, expected] : view.spectators(family).expected) {
    const std::string path = with_arch(written, view);
    const Value* found = view.find(path);
    if (!found || found->is_null()) continue;
    std::vector<std::string> wanted;
    bool fits = false;
    for (const Setting& setting : expected.values) {
      const Value value = answers.evaluate(setting).value;
      fits = fits || value.is_null() || same(value, *found);
      wanted.push_back(short_text(value));
    }
    if (fits) continue;
    throw LoadError(
        {.what = fmt::format("family \"{}\" cannot do what \"{}\" asks for", family.name, path),
         .where = view.where,
         .expected = wanted.empty() ? "nothing said" : fmt::format("{}", fmt::join(wanted, " or ")),
         .found = short_text(*found),
         .advice = {}});
  }
}

}  // namespace

std::vector<UnreadKey> unread_keys(const Family& family, const ConfigView& view) {
  Walker walker(family, view);
  walker.walk(view.config, "", 0);
  return std::move(walker.unread);
}

void check_config(const Family& family, const ConfigView& view) {
  const std::vector<UnreadKey> unread = unread_keys(family, view);
  if (!unread.empty()) {
    std::vector<std::string> lines;
    for (const UnreadKey& key : unread)
      lines.push_back(
          fmt::format("{} = {}{}", key.path, short_text(key.value),
                      key.idle_key.empty() ? "" : fmt::format(" (no block uses ${})", key.idle_key)));
    throw LoadError(
        {.what = fmt::format(
             "the config has keys that family \"{}\" does not read and that may change the result",
             family.name),
         .where = view.where,
         .expected = {},
         .found = fmt::format("{}", fmt::join(lines, ", ")),
         .advice = fmt::format("If they are harmless, name them under [ignore] in a family file that extends "
                               "\"{}\" and give it with --family.",
                               family.name)});
  }
  check_expected(family, view);
}

}  // namespace varve::family
