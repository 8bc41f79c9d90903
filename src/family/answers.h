#pragma once
// What a checkpoint's config says, in canonical keys: the first alternative that is present, else the
// family's default. One Answers speaks for the whole model or for the layers of some kinds.
#include <map>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "core/value.h"
#include "family/family.h"

namespace varve::family {

/// The config of one checkpoint as rules see it.
struct ConfigView {
  Value config;  // the table that holds the keys: config.json, a member of it, or GGUF's metadata
  bool gguf = false;
  std::string arch;                                    // GGUF's general.architecture: what <arch> stands for
  std::string where;                                   // the file, for messages
  const checkpoint::Checkpoint* checkpoint = nullptr;  // for rules about tensors; may be absent

  const Reading& reading(const Overlay& overlay) const { return gguf ? overlay.gguf : overlay.hub; }
  const Spectators& spectators(const Family& f) const { return gguf ? f.gguf_spectators : f.hub_spectators; }
  const TensorRules& tensors(const Family& f) const { return gguf ? f.gguf_tensors : f.hub_tensors; }
  /// The member at a path: GGUF's keys hold dots themselves.
  const Value* find(const std::string& path) const;
};

/// `text` with <arch> replaced.
std::string with_arch(std::string text, const ConfigView& view);

class Answers {
 public:
  struct Answer {
    Value value;            // null: neither the config nor a default says it
    std::string origin;     // for people: config "hidden_size", default (x.toml:3) ...
    std::string path;       // the config's member it came from, if it did
    bool inferred = false;  // from the tensors, not from the config
  };

  /// `kinds` are those of the layers it speaks for, later ones winning; `layer` picks from lists that have
  /// one value for each layer, -1: none.
  Answers(const Family& family, const ConfigView& view, std::vector<const Kind*> kinds = {},
          int64_t layer = -1);

  /// `key` must be one of the family's canonical keys.
  const Answer& get(const std::string& key);
  /// A setting's value, and where it came from.
  Answer evaluate(const Setting& setting);
  /// Is the canonical key true? "" is. A LoadError when it is neither true nor false nor absent.
  bool holds(const std::string& key);

 private:
  Answer answer(const std::string& key);
  bool from_config(const Source& source, Answer& into, bool& said_null);
  bool from_alternative(const Alternative& alternative, Answer& into, bool& said_null);
  bool from_tensors(const Alternative& alternative, const std::string& name, Answer& into);
  Value from_elements(const Alternative& alternative, const std::string& stored);
  bool from_path(const Alternative& alternative, const std::string& path, Answer& into, bool& said_null);
  void from_default(const std::string& key, bool said_null, Answer& into);
  const Default* find_default(const std::string& key) const;

  const Family& family_;
  const ConfigView& view_;
  std::vector<const Kind*> kinds_;
  int64_t layer_;
  std::map<std::string, Answer, std::less<>> known_;
  std::vector<std::string> open_;  // keys being answered, to see circles
};

/// Every path of the config that the family may read and use, for the check that nothing else is there.
std::vector<std::string> readable_paths(const Family& family, const ConfigView& view);

}  // namespace varve::family
