#pragma once
// All blocks by name, with the parameters each one takes: the list that family files are checked against
// and that models are built from. A block is registered in one line of registry.cpp.
#include <string>
#include <string_view>
#include <vector>

#include "core/value.h"

namespace varve::nn {

/// What a block is for: its place in a LayerSpec.
enum class Role : uint8_t { layer, mixer, ffn, norm };

struct ParamInfo {
  std::string name;
  Value::Kind kind = Value::Kind::null;
  Value fallback;  // used when the spec does not set it; null and required: must be set
  bool required = false;
  std::vector<std::string> choices;  // texts: the words it may be; empty: any
  std::string about;                 // one line for people
};

struct BlockInfo {
  std::string name;
  Role role;
  std::string about;
  std::vector<ParamInfo> params;
};

/// Every block, in a fixed order.
const std::vector<BlockInfo>& blocks();
/// nullptr when there is none of that name and role.
const BlockInfo* find_block(Role role, std::string_view name);

}  // namespace varve::nn
