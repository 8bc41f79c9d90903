#pragma once
// How a decoder layer wires its parts together.
//   "pre_norm"       x += mixer(norm(x));        x += ffn(norm(x))
//   "post_norm"      x += norm(mixer(x));        x += norm(ffn(x))
//   "sandwich_norm"  x += norm(mixer(norm(x)));  x += norm(ffn(norm(x)))
//   "parallel"       x += mixer(norm(x)) + ffn(norm(x)), both of the same x
//   "mixer_only"     x += mixer(norm(x))
//   "two_mixers"     x += mixer(norm(x)) + beside(norm(x)), both of the same x; x += ffn(norm(x))
#include <functional>
#include <memory>
#include <string>

#include "nn/block.h"

namespace varve::nn {

/// The parts of a layer.
struct LayerParts {
  std::unique_ptr<Mixer> mixer;
  std::unique_ptr<Mixer> beside;  // of "two_mixers", else null
  std::unique_ptr<FeedForward> ffn;
  int64_t hidden = 0;
  /// Makes one more norm of the layer's kind.
  std::function<std::unique_ptr<Norm>()> norm;
};

class PreNorm : public Layer {
 public:
  struct Params {
    float residual_scale = 1.0f;
    template <class V>
    void visit(V& v) {
      v.optional("residual_scale", residual_scale, "factor of what is added to the residual stream");
    }
  };
  PreNorm(const Params& params, LayerParts parts);
  void bind(Binder& binder) override;
  StateNeed state(ops::Precision precision) const override { return parts_.mixer->state(precision); }
  void forward(Forward& at, float* x) const override;

 private:
  Params params_;
  LayerParts parts_;
  std::unique_ptr<Norm> mixer_norm_, ffn_norm_;
};

class SandwichNorm : public Layer {
 public:
  struct Params {
    template <class V>
    void visit(V& /*v*/) {}
  };
  SandwichNorm(const Params& params, LayerParts parts);
  void bind(Binder& binder) override;
  StateNeed state(ops::Precision precision) const override { return parts_.mixer->state(precision); }
  void forward(Forward& at, float* x) const override;

 private:
  LayerParts parts_;
  std::unique_ptr<Norm> mixer_in_, mixer_out_, ffn_in_, ffn_out_;
};

class PostNorm : public Layer {
 public:
  struct Params {
    template <class V>
    void visit(V& /*v*/) {}
  };
  PostNorm(const Params& params, LayerParts parts);
  void bind(Binder& binder) override;
  StateNeed state(ops::Precision precision) const override { return parts_.mixer->state(precision); }
  void forward(Forward& at, float* x) const override;

 private:
  LayerParts parts_;
  std::unique_ptr<Norm> mixer_norm_, ffn_norm_;
};

class Parallel : public Layer {
 public:
  struct Params {
    std::string norms = "one";
    template <class V>
    void visit(V& v) {
      v.choice("norms", norms, {"one", "two"}, "one norm for both parts, or one for each");
    }
  };
  Parallel(const Params& params, LayerParts parts);
  void bind(Binder& binder) override;
  StateNeed state(ops::Precision precision) const override { return parts_.mixer->state(precision); }
  void forward(Forward& at, float* x) const override;

 private:
  LayerParts parts_;
  std::unique_ptr<Norm> mixer_norm_, ffn_norm_;  // the latter null: the same
};

class MixerOnly : public Layer {
 public:
  struct Params {
    template <class V>
    void visit(V& /*v*/) {}
  };
  MixerOnly(const Params& params, LayerParts parts);
  void bind(Binder& binder) override;
  StateNeed state(ops::Precision precision) const override { return parts_.mixer->state(precision); }
  void forward(Forward& at, float* x) const override;

 private:
  LayerParts parts_;
  std::unique_ptr<Norm> norm_;
};

class TwoMixers : public Layer {
 public:
  struct Params {
    float mixer_in = 1.0f, mixer_out = 1.0f;
    float beside_in = 1.0f, beside_out = 1.0f;
    template <class V>
    void visit(V& v) {
      v.optional("mixer_in", mixer_in, "factor of what the mixer is given");
      v.optional("mixer_out", mixer_out, "factor of what the mixer gives");
      v.optional("beside_in", beside_in, "factor of what the other mixer is given");
      v.optional("beside_out", beside_out, "factor of what the other mixer gives");
    }
  };
  TwoMixers(const Params& params, LayerParts parts);
  void bind(Binder& binder) override;
  StateNeed state(ops::Precision precision) const override;
  void forward(Forward& at, float* x) const override;

 private:
  void add_scaled(Forward& at, const Mixer& mixer, const ops::Rows& normed, float in, float out,
                  float* x) const;

  Params params_;
  LayerParts parts_;
  std::unique_ptr<Norm> mixer_norm_, ffn_norm_;
};

}  // namespace varve::nn
