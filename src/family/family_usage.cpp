// Which canonical keys a family uses: those of its blocks, axes and tensor rules, and what they rest on.
#include <algorithm>
#include <set>

#include "family/family.h"

namespace varve::family {

namespace {

class Usage {
 public:
  explicit Usage(const Family& family) : family_(family) {}

  std::vector<std::string> run(bool hub) {
    if (hub)
      for (const auto& [name, value] : family_.gguf_hub) use(value);
    for (const auto& [name, setting] : family_.model) use(setting);
    each_overlay([&](const Overlay& over) {
      for (const auto& [role, setting] : over.roles) {
        use(setting);
        if (setting.constant.is_text()) blocks_.insert(setting.constant.text());
      }
    });
    each_overlay([&](const Overlay& over) {
      for (const auto& [block, settings] : over.blocks)
        if (blocks_.count(block) > 0)
          for (const auto& [name, setting] : settings) use(setting);
    });
    for (const auto& [name, axis] : family_.axes)
      for (const KindRule& rule : axis.rules) {
        use(rule.value);
        use(rule.offset);
        if (!rule.when.empty()) use(rule.when);
      }
    for (const TensorRules* rules : {&family_.hub_tensors, &family_.gguf_tensors}) {
      for (const Drop& drop : rules->drops) {
        use(drop.when);
        use(drop.from);
      }
      for (const Transform& t : rules->transforms) {
        use(t.groups);
        use(t.amount);
        if (!t.when.empty()) use(t.when);
        for (const Setting& rows : t.rows) use(rows);
      }
    }
    for (const Spectators* some : {&family_.hub_spectators, &family_.gguf_spectators})
      for (const auto& [path, expected] : some->expected)
        for (const Setting& value : expected.values) use(value);
    return {used_.begin(), used_.end()};
  }

 private:
  template <class Visit>
  void each_overlay(Visit visit) const {
    visit(family_.base);
    for (const auto& [name, kind] : family_.kinds) visit(kind.overlay);
  }

  void use(const Setting& setting) {
    if (!setting.formula) return;
    for (const std::string& key : setting.formula->keys()) use(key);
  }

  void use(const HubValue& value) {
    use(value.setting);
    for (const auto& [name, member] : value.members) use(member);
  }

  /// And everything its sources and defaults name.
  void use(const std::string& key) {
    if (!used_.insert(key).second) return;
    each_overlay([&](const Overlay& over) {
      for (const Reading* reading : {&over.hub, &over.gguf}) {
        if (const Source* source = reading->config.find(key))
          for (const Alternative& a : source->alternatives) {
            if (!a.when.empty()) use(a.when);
            if (!a.theta.empty()) use(a.theta);
            if (a.reads_config() && a.name.starts_with('$')) use(a.name.substr(1, a.name.find('.') - 1));
          }
        if (const Default* fallback = reading->defaults.find(key)) {
          use(fallback->otherwise);
          if (fallback->absent) use(*fallback->absent);
        }
      }
    });
  }

  const Family& family_;
  std::set<std::string> used_, blocks_;
};

}  // namespace

std::vector<std::string> used_keys(const Family& family, bool hub) { return Usage(family).run(hub); }

}  // namespace varve::family
