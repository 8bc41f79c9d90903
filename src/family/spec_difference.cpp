#include "family/spec_difference.h"

#include <fmt/format.h>

#include <algorithm>

#include "family/spec_builder.h"
#include "nn/params.h"
#include "nn/registry.h"
#include "nn/rope.h"

namespace varve::family {

namespace {

bool same_value(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) return static_cast<float>(a.number()) == static_cast<float>(b.number());
  if (a.is_array() && b.is_array())
    return std::equal(a.array().begin(), a.array().end(), b.array().begin(), b.array().end(), same_value);
  return a == b;
}

Value said(const Table& params, const nn::ParamInfo& param) {
  const Value* value = params.find(param.name);
  return value ? *value : param.fallback;
}

nn::RopeParams rope_of(const Value& table) {
  return nn::read_params<nn::RopeParams>(table.is_table() ? table.table() : Table{}, "rope");
}

/// Do both turn every position of every sequence alike?
bool same_rotation(const Value& first, const Value& second) {
  const nn::RopeParams a = rope_of(first), b = rope_of(second);
  if (a == b) return true;
  // How many inputs turn must be said, and the length a sequence may have must not matter otherwise.
  if (a.dims == 0 || a.dims != b.dims || a.interleaved != b.interleaved) return false;
  if (a.kind == "none" || b.kind == "none" || a.kind == "dynamic" || b.kind == "dynamic") return false;
  if (nn::rope_score_factor(a) != nn::rope_score_factor(b)) return false;
  for (const nn::RopeParams* rope : {&a, &b})
    for (const int64_t limit : {int64_t{1}, rope->original_positions, rope->original_positions + 1}) {
      const nn::RopeFrequencies one = nn::rope_frequencies(a, a.dims, limit);
      const nn::RopeFrequencies other = nn::rope_frequencies(b, b.dims, limit);
      if (one.inverse != other.inverse || one.attention_factor != other.attention_factor) return false;
    }
  return true;
}

class Comparison {
 public:
  std::optional<SpecDifference> found;

  void fact(const std::string& name, const Value& first, const Value& second) {
    if (!found && !same_value(first, second)) found = SpecDifference{layer, name, first, second};
  }

  void block(const std::string& role, nn::Role kind, const nn::BlockSpec& first,
             const nn::BlockSpec& second) {
    fact(role, first.block, second.block);
    const nn::BlockInfo* info = found ? nullptr : nn::find_block(kind, first.block);
    if (!info) return;
    for (const nn::ParamInfo& param : info->params) {
      const Value one = said(first.params, param), other = said(second.params, param);
      if (table_params(param).empty())
        fact(info->name + "." + param.name, one, other);
      else if (!found && !same_rotation(one, other))
        found = SpecDifference{layer, info->name + "." + param.name, one, other};
    }
  }

  int64_t layer = -1;
};

}  // namespace

std::optional<SpecDifference> difference(const nn::ModelSpec& first, const nn::ModelSpec& second) {
  Comparison compare;
  compare.fact("hidden", first.hidden, second.hidden);
  compare.fact("vocab", first.vocab, second.vocab);
  compare.fact("max_positions", first.max_positions, second.max_positions);
  compare.fact("embed_scale", static_cast<double>(first.embed_scale),
               static_cast<double>(second.embed_scale));
  compare.fact("learned_positions", first.learned_positions, second.learned_positions);
  compare.fact("tied", first.tied, second.tied);
  compare.fact("logit_scale", static_cast<double>(first.logit_scale),
               static_cast<double>(second.logit_scale));
  compare.fact("logit_softcap", static_cast<double>(first.logit_softcap),
               static_cast<double>(second.logit_softcap));
  compare.block("final_norm", nn::Role::norm, first.final_norm, second.final_norm);
  compare.fact("layers", static_cast<int64_t>(first.layers.size()),
               static_cast<int64_t>(second.layers.size()));
  for (size_t i = 0; !compare.found && i < first.layers.size(); ++i) {
    const nn::LayerSpec &one = first.layers[i], &other = second.layers[i];
    compare.layer = static_cast<int64_t>(i);
    compare.block("layer", nn::Role::layer, one.layer, other.layer);
    compare.block("mixer", nn::Role::mixer, one.mixer, other.mixer);
    compare.block("beside", nn::Role::mixer, one.beside, other.beside);
    compare.block("ffn", nn::Role::ffn, one.ffn, other.ffn);
    compare.block("norm", nn::Role::norm, one.norm, other.norm);
  }
  return compare.found;
}

}  // namespace varve::family
