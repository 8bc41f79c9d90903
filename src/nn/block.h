#pragma once
// What the parts of a decoder layer have in common. A block is built from its parameters, names its
// tensors in bind(), says what a sequence must remember for it in state(), and computes in forward().
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "nn/binder.h"
#include "nn/spec.h"
#include "nn/step.h"
#include "nn/workspace.h"
#include "ops/ops.h"

namespace varve::nn {

class RopeTables;

/// What one layer keeps per sequence, in bytes; the engine's memory holds it (src/state).
struct StateNeed {
  int64_t page_bytes = 0;  // per page of 16 tokens
  int64_t slot_bytes = 0;  // per sequence
};

/// What a block sees of the step that is being computed.
struct Forward {
  const Step& step;
  ops::Backend& backend;
  Workspace& work;
  RopeTables& ropes;
  ops::Precision precision;
  std::span<const ops::KvSlice> kv;         // this layer's part of every slice's pages
  std::span<const ops::StateSlice> states;  // this layer's part of every slice's slot
  int64_t rows() const { return step.rows(); }
  /// The part of `states` that begins at a byte; lives in `work`.
  std::span<const ops::StateSlice> states_at(int64_t offset) const;
};

inline std::span<const ops::StateSlice> Forward::states_at(int64_t offset) const {
  auto* moved = work.take<ops::StateSlice>(static_cast<int64_t>(states.size()));
  for (size_t i = 0; i < states.size(); ++i) {
    moved[i] = states[i];
    moved[i].state += offset;
  }
  return {moved, states.size()};
}

/// Where a block puts its result [rows, hidden]: y = result, or y += result.
struct Into {
  float* y = nullptr;
  int64_t stride = 0;
  bool accumulate = false;
};

/// A block's last matrix: W x + b to where the result belongs. x [rows, in].
inline void linear_into(Forward& at, const Linear& linear, const ops::Rows& x, const Into& out) {
  const ops::LinearOut to{.weight = &linear.weight,
                          .bias = linear.bias.data(),
                          .y = out.y,
                          .y_stride = out.stride,
                          .accumulate = out.accumulate};
  at.backend.linear({.x = x, .outs = {&to, 1}});
}

/// Normalises rows; `name` is the tensor's name without ".weight".
class Norm {
 public:
  virtual ~Norm() = default;
  virtual void bind(Binder& binder, std::string_view name) = 0;
  virtual void forward(ops::Backend& backend, const ops::Rows& x, float* y, int64_t y_stride) const = 0;
};

/// Mixes positions: attention and its kin.
class Mixer {
 public:
  virtual ~Mixer() = default;
  virtual void bind(Binder& binder) = 0;
  virtual StateNeed state(ops::Precision precision) const = 0;
  virtual void forward(Forward& at, const ops::Rows& x, const Into& out) const = 0;
};

/// Works on each row by itself.
class FeedForward {
 public:
  virtual ~FeedForward() = default;
  /// Whether it is "none", which stands for the lack of one.
  virtual bool is_nothing() const { return false; }
  virtual void bind(Binder& binder) = 0;
  virtual void forward(Forward& at, const ops::Rows& x, const Into& out) const = 0;
};

/// Wires a mixer and a feed-forward into one decoder layer; x [rows, hidden] is the residual stream.
class Layer {
 public:
  virtual ~Layer() = default;
  virtual void bind(Binder& binder) = 0;
  virtual StateNeed state(ops::Precision precision) const = 0;
  virtual void forward(Forward& at, float* x) const = 0;
};

/// What a block is made from: its parameters and the widths around it.
struct BlockInit {
  const Table& params;
  int64_t hidden = 0;
  int64_t columns = 0;  // norms: the width they normalise
  RopeTables* ropes = nullptr;
};

std::unique_ptr<Norm> make_norm(const BlockSpec& spec, const BlockInit& init);
std::unique_ptr<Mixer> make_mixer(const BlockSpec& spec, const BlockInit& init);
std::unique_ptr<FeedForward> make_feed_forward(const BlockSpec& spec, const BlockInit& init);
std::unique_ptr<Layer> make_layer(const LayerSpec& spec, int64_t hidden, RopeTables& ropes);

}  // namespace varve::nn
