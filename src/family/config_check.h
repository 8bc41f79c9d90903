#pragma once
// A config key that may change the maths is read, expected or known to be harmless; anything else is an
// error, never ignored.
#include <string>
#include <vector>

#include "family/answers.h"

namespace varve::family {

/// Paths of the config, with their values, that no rule of the family reads and no list calls harmless.
struct UnreadKey {
  std::string path;
  Value value;
  std::string idle_key;  // a canonical key that would read it, and that no block uses; or ""
};
std::vector<UnreadKey> unread_keys(const Family& family, const ConfigView& view);

/// A LoadError that lists all unread keys, or that names a key which [expect] wants otherwise.
void check_config(const Family& family, const ConfigView& view);

}  // namespace varve::family
