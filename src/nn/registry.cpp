#include "nn/registry.h"

#include <fmt/format.h>

#include "core/error.h"
#include "nn/attention.h"
#include "nn/gated_conv.h"
#include "nn/gated_delta.h"
#include "nn/gated_mlp.h"
#include "nn/latent_attention.h"
#include "nn/layers.h"
#include "nn/mlp.h"
#include "nn/no_ffn.h"
#include "nn/norm.h"
#include "nn/params.h"
#include "nn/rg_lru.h"
#include "nn/sparse_moe.h"
#include "nn/ssm.h"

namespace varve::nn {

namespace {

/// One line of the registry: a name, and how to describe and make the block.
template <class Base, class Init>
struct Entry {
  std::string_view name;
  std::string_view about;
  std::vector<ParamInfo> (*describe)();
  std::unique_ptr<Base> (*make)(const Table& params, const std::string& name, Init init);
};

template <class Base, class Init, class Block>
constexpr Entry<Base, Init> entry(std::string_view name, std::string_view about) {
  return {name, about, &describe_params<typename Block::Params>,
          [](const Table& params, const std::string& block, Init init) -> std::unique_ptr<Base> {
            return std::make_unique<Block>(read_params<typename Block::Params>(params, block),
                                           std::move(init));
          }};
}

template <class Block>
constexpr auto norm = entry<Norm, const BlockInit&, Block>;
template <class Block>
constexpr auto mixer = entry<Mixer, const BlockInit&, Block>;
template <class Block>
constexpr auto ffn = entry<FeedForward, const BlockInit&, Block>;
template <class Block>
constexpr auto layer = entry<Layer, LayerParts, Block>;

const auto kNorms = {
    norm<RmsNorm>("rms_norm", "x / rms(x) * weight"),
    norm<LayerNorm>("layer_norm", "(x - mean) / deviation * weight + bias"),
};
const auto kMixers = {
    mixer<Attention>("attention", "grouped-query attention over paged keys and values"),
    mixer<LatentAttention>("latent_attention",
                           "keys and values of all heads out of one latent of a position"),
    mixer<GatedDelta>("gated_delta",
                      "linear attention by the gated delta rule, one matrix of state per head"),
    mixer<Ssm>("ssm", "a selective state space with one decay and one matrix of state per head"),
    mixer<GatedConv>("gated_conv", "a short convolution between two gates"),
    mixer<RgLru>("rg_lru", "a convolution and a real-gated linear recurrence beside a gate"),
};
const auto kFeedForwards = {
    ffn<GatedMlp>("gated_mlp", "down(act(gate(x)) * up(x))"),
    ffn<Mlp>("mlp", "down(act(up(x)))"),
    ffn<NoFfn>("none", "nothing: of a layer that is a mixer alone"),
    ffn<SparseMoe>("sparse_moe", "a router and top-k experts, each a gated MLP; a shared expert beside them"),
};
const auto kLayers = {
    layer<PreNorm>("pre_norm", "x += mixer(norm(x)); x += ffn(norm(x))"),
    layer<PostNorm>("post_norm", "x += norm(mixer(x)); x += norm(ffn(x))"),
    layer<SandwichNorm>("sandwich_norm", "x += norm(mixer(norm(x))); x += norm(ffn(norm(x)))"),
    layer<Parallel>("parallel", "x += mixer(norm(x)) + ffn(norm(x))"),
    layer<MixerOnly>("mixer_only", "x += mixer(norm(x))"),
    layer<TwoMixers>("two_mixers", "x += mixer(norm(x)) + beside(norm(x)); x += ffn(norm(x))"),
};

template <class Entries>
void list(std::vector<BlockInfo>& into, Role role, const Entries& entries) {
  for (const auto& e : entries)
    into.push_back(
        {.name = std::string(e.name), .role = role, .about = std::string(e.about), .params = e.describe()});
}

template <class Entries, class Init>
auto make(const Entries& entries, const BlockSpec& spec, Init&& init) {
  std::vector<std::string> names;
  for (const auto& e : entries) {
    if (e.name == spec.block) return e.make(spec.params, spec.block, std::forward<Init>(init));
    names.emplace_back(e.name);
  }
  throw LoadError({.what = fmt::format("there is no block \"{}\" here", spec.block),
                   .where = {},
                   .expected = {},
                   .found = {},
                   .advice = fmt::format("Nearest: \"{}\".", nearest(spec.block, names))});
}

}  // namespace

const std::vector<BlockInfo>& blocks() {
  static const std::vector<BlockInfo> all = [] {
    std::vector<BlockInfo> infos;
    list(infos, Role::layer, kLayers);
    list(infos, Role::mixer, kMixers);
    list(infos, Role::ffn, kFeedForwards);
    list(infos, Role::norm, kNorms);
    return infos;
  }();
  return all;
}

const BlockInfo* find_block(Role role, std::string_view name) {
  for (const BlockInfo& info : blocks())
    if (info.role == role && info.name == name) return &info;
  return nullptr;
}

std::unique_ptr<Norm> make_norm(const BlockSpec& spec, const BlockInit& init) {
  return make(kNorms, spec, init);
}
std::unique_ptr<Mixer> make_mixer(const BlockSpec& spec, const BlockInit& init) {
  return make(kMixers, spec, init);
}
std::unique_ptr<FeedForward> make_feed_forward(const BlockSpec& spec, const BlockInit& init) {
  return make(kFeedForwards, spec, init);
}

std::unique_ptr<Layer> make_layer(const LayerSpec& spec, int64_t hidden, RopeTables& ropes) {
  LayerParts parts{
      .mixer = make_mixer(spec.mixer, {.params = spec.mixer.params, .hidden = hidden, .ropes = &ropes}),
      .beside =
          spec.beside.block.empty()
              ? nullptr
              : make_mixer(spec.beside, {.params = spec.beside.params, .hidden = hidden, .ropes = &ropes}),
      .ffn = make_feed_forward(spec.ffn, {.params = spec.ffn.params, .hidden = hidden}),
      .hidden = hidden,
      .norm = [norm_spec = spec.norm, hidden] {
        return make_norm(norm_spec, {.params = norm_spec.params, .hidden = hidden, .columns = hidden});
      }};
  return make(kLayers, spec.layer, std::move(parts));
}

}  // namespace varve::nn
