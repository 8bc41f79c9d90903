#include "nn/params.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "nn/attention.h"
#include "nn/block.h"
#include "nn/rope.h"
#include "nn/router.h"
#include "support/errors.h"

namespace varve::nn {
namespace {

using ::testing::HasSubstr;

std::string message_of(const Table& params) {
  try {
    read_params<Attention::Params>(params, "attention");
  } catch (const LoadError& e) {
    return e.what();
  }
  return "accepted";
}

Table sound() {
  Table params;
  params.set("heads", 8);
  params.set("kv_heads", 4);
  params.set("head_dim", 16);
  return params;
}

TEST(Params, ReadsWhatIsSetAndKeepsDefaults) {
  Table params = sound();
  params.set("window", 64);
  params.set("qk_norm", "head");
  const auto read = read_params<Attention::Params>(params, "attention");
  EXPECT_EQ(read.heads, 8);
  EXPECT_EQ(read.window, 64);
  EXPECT_EQ(read.qk_norm.over, "head");
  EXPECT_EQ(read.softcap, 0.0f);
}

TEST(Params, RefusesUnknownMissingAndMistyped) {
  Table params = sound();
  params.set("windw", 64);
  EXPECT_THAT(message_of(params), HasSubstr("Did you mean \"window\"?"));
  params = sound();
  params.erase("heads");
  EXPECT_THAT(message_of(params), HasSubstr("needs the parameter \"heads\""));
  params = sound();
  params.set("heads", "eight");
  EXPECT_THAT(message_of(params), HasSubstr("a whole number"));
  params = sound();
  params.set("heads", -8);
  EXPECT_THAT(message_of(params), HasSubstr("0 to 524288"));
  params.set("heads", (int64_t{1} << 19) + 1);
  EXPECT_THAT(message_of(params), HasSubstr("whole number 524289"));
  params = sound();
  params.set("qk_norm", "heads");
  EXPECT_THAT(message_of(params), HasSubstr("one of none, head, each, full"));
}

TEST(Params, DescriptionFollowsTheSameList) {
  const BlockInfo* info = find_block(Role::mixer, "attention");
  ASSERT_NE(info, nullptr);
  EXPECT_EQ(info->params.front().name, "heads");
  EXPECT_TRUE(info->params.front().required);
  const auto norm = std::find_if(info->params.begin(), info->params.end(),
                                 [](const ParamInfo& p) { return p.name == "qk_norm"; });
  ASSERT_NE(norm, info->params.end());
  EXPECT_EQ(norm->choices, (std::vector<std::string>{"none", "head", "each", "full"}));
  EXPECT_EQ(find_block(Role::ffn, "attention"), nullptr);
}

TEST(Registry, UnknownBlockNamesTheNearest) {
  try {
    make_feed_forward({.block = "gated_mpl", .params = {}}, {.params = {}, .hidden = 8});
    FAIL();
  } catch (const LoadError& e) {
    EXPECT_THAT(e.what(), HasSubstr("gated_mlp"));
  }
}

TEST(Gate, RefusesASlopeWithoutSiluAndANegativeLimit) {
  auto message = [](std::string_view param, double value, const char* activation) -> std::string {
    Table params;
    params.set("inner", 8);
    params.set(param, value);
    params.set("activation", activation);
    try {
      make_feed_forward({.block = "gated_mlp", .params = params}, {.params = params, .hidden = 8});
    } catch (const LoadError& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_EQ(message("slope", 1.702, "silu"), "");
  EXPECT_THAT(message("slope", 1.702, "gelu"), HasSubstr("slope belongs to silu"));
  EXPECT_EQ(message("limit", 7.0, "gelu"), "");
  EXPECT_THAT(message("limit", -1.0, "silu"), HasSubstr("must not be negative"));
}

TEST(Attention, RefusesHeadsThatDoNotDivide) {
  RopeTables ropes;
  Table params = sound();
  params.set("kv_heads", 3);
  EXPECT_THROW(
      make_mixer({.block = "attention", .params = params}, {.params = params, .hidden = 64, .ropes = &ropes}),
      LoadError);
}

TEST(Layers, RefusePartsThatTheyHaveNoPlaceFor) {
  RopeTables ropes;
  Table mlp;
  mlp.set("inner", 8);
  auto message = [&](const char* layer, const BlockSpec& beside, const BlockSpec& ffn) -> std::string {
    LayerSpec spec{.layer = {.block = layer, .params = {}},
                   .mixer = {.block = "attention", .params = sound()},
                   .beside = beside,
                   .ffn = ffn,
                   .norm = {.block = "rms_norm", .params = {}}};
    return test::error_of([&] { make_layer(spec, 64, ropes); });
  };
  const BlockSpec none{.block = "none", .params = {}}, gated{.block = "gated_mlp", .params = mlp};
  const BlockSpec second{.block = "attention", .params = sound()};
  EXPECT_EQ(message("pre_norm", {}, gated), "");
  EXPECT_EQ(message("mixer_only", {}, none), "");
  EXPECT_EQ(message("two_mixers", second, gated), "");
  for (const char* layer : {"pre_norm", "post_norm", "sandwich_norm", "parallel", "mixer_only"})
    EXPECT_THAT(message(layer, second, layer == std::string("mixer_only") ? none : gated),
                HasSubstr(std::string(layer) + ": the family names a second mixer"));
  EXPECT_THAT(message("mixer_only", {}, gated), HasSubstr("names a feed-forward"));
  EXPECT_THAT(message("two_mixers", {}, gated), HasSubstr("does not say the second mixer"));
}

TEST(Params, ARouterRefusesWhatHasNoEffect) {
  const Router::Params sound{.experts = 4, .active = 2, .kind = "topk_softmax"};
  EXPECT_NO_THROW(Router(sound, 8));
  Router::Params params = sound;
  params.renormalize = true;
  try {
    const Router router(params, 8);
    FAIL() << "accepted";
  } catch (const LoadError& e) {
    EXPECT_THAT(e.what(), HasSubstr("renormalize"));
  }
}

}  // namespace
}  // namespace varve::nn
