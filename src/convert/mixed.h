#pragma once
// Which modules a mixed recipe gives more bits: in some layers the values and the way down of the
// feed-forward, always the head. The rule is that of mlx-lm's convert.py.
#include <cstdint>
#include <string>
#include <vector>

namespace varve::convert {

class MixedLayers {
 public:
  /// `modules`: the paths of all. A LoadError for `where` when none is called down_proj.
  MixedLayers(const std::vector<std::string>& modules, const std::string& where);
  bool more_bits(const std::string& module) const;

 private:
  int64_t layer_of(const std::string& module) const;
  size_t place_ = 0;  // which part of a path is the layer's number
  int64_t layers_ = 0;
};

}  // namespace varve::convert
