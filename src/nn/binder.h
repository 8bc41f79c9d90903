#pragma once
// Blocks name their tensors once, in bind(Binder&); what happens to a name is the Binder's business: the
// loader fetches and packs it, the inventory lists it, the memory sizer counts it, the converter and the
// tensor cutter will walk it. Names are relative ("self_attn.q_proj"); the binder knows the path so far.
//
// Canonical names are those of Hugging Face's Llama: model.embed_tokens.weight,
// model.layers.N.self_attn.q_proj.weight, model.layers.N.mlp.gate_proj.weight, model.norm.weight,
// lm_head.weight. Stacked experts: model.layers.N.mlp.experts.gate_proj.weight [experts, out, in].
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/buffer.h"
#include "ops/weight.h"

namespace varve::nn {

/// A small float32 tensor (norm weight, bias, sinks). Empty when optional and absent.
struct Vector {
  std::vector<float> values;
  const float* data() const { return values.empty() ? nullptr : values.data(); }
  bool empty() const { return values.empty(); }
};

/// y = W x + b. The bias is taken when the checkpoint has one and `bias` allows it.
struct Linear {
  ops::PackedWeight weight;
  Vector bias;
};

/// One Linear per expert, all of one shape.
struct ExpertLinear {
  std::vector<Linear> experts;
};

enum class Presence : uint8_t { required, optional, absent };

/// "optional" | "required" | "absent", as a block's parameter says it.
inline Presence presence_from(std::string_view word) {
  if (word == "required") return Presence::required;
  return word == "absent" ? Presence::absent : Presence::optional;
}

class Binder {
 public:
  virtual ~Binder() = default;

  /// `name`.weight [out, in] and `name`.bias [out]; `weight` says whether the matrix must be there.
  struct LinearShape {
    int64_t out = 0;
    int64_t in = 0;
    Presence bias = Presence::optional;
  };
  virtual void linear(std::string_view name, const LinearShape& shape, Linear& into) = 0;
  /// `name`.weight [experts, out, in] and `name`.bias [experts, out].
  virtual void experts(std::string_view name, int64_t count, const LinearShape& shape,
                       ExpertLinear& into) = 0;
  /// `name` itself (with its ".weight" or ".bias"), any shape of `size` elements.
  virtual void vector(std::string_view name, int64_t size, Presence presence, Vector& into) = 0;

  /// Enters and leaves a child: names below are prefixed with "child.".
  virtual void push(std::string_view child) = 0;
  virtual void pop() = 0;
};

/// push() now, pop() at the end of the scope.
class Scope {
 public:
  Scope(Binder& binder, std::string_view child) : binder_(binder) { binder_.push(child); }
  ~Scope() { binder_.pop(); }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 private:
  Binder& binder_;
};

}  // namespace varve::nn
