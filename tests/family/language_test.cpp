// Every mistake in a family file is named with its file, its line and the nearest valid word.
#include "family/fixture.h"

namespace varve::family {
namespace {

using fixture::error_of;
using fixture::library_with;

std::string error_in(const std::string& text) {
  return error_of([&] { library_with(text).find("mine"); });
}

struct Mistake {
  const char* name;
  const char* text;   // "mine.toml"; line 1 is the first
  const char* error;  // how the message begins
};

class Language : public testing::TestWithParam<Mistake> {};

TEST_P(Language, NamesTheMistake) {
  const std::string error = error_in(GetParam().text);
  EXPECT_EQ(error.substr(0, std::string(GetParam().error).size()), GetParam().error) << error;
}

const Mistake kMistakes[] = {
    {"toml", "about = \"x\"\nextends = ", "mine.toml:2: "},
    {"extends", "extends = \"lama\"",
     "mine.toml: unknown family to extend \"lama\"\n  Did you mean \"llama\"?"},
    {"circle", "extends = \"mine\"", "mine.toml: families extend each other in a circle: mine, mine"},
    {"section", "extends = \"llama\"\n[atention]\nheads = 1",
     "mine.toml:3: unknown section or block \"atention\"\n  Did you mean \"attention\"?"},
    {"block", "extends = \"llama\"\n\n[layer]\nffn = \"gated_mpl\"",
     "mine.toml:4: unknown ffn block \"gated_mpl\"\n  Did you mean \"gated_mlp\"?"},
    {"role", "extends = \"llama\"\n[layer]\nmixr = \"attention\"",
     "mine.toml:3: unknown member of [layer] \"mixr\"\n  Did you mean \"mixer\"?"},
    {"parameter", "extends = \"llama\"\n[attention]\nkv_head = 1",
     "mine.toml:3: unknown parameter of block \"attention\" \"kv_head\"\n  Did you mean \"kv_heads\"?"},
    {"rope_parameter", "extends = \"llama\"\n[attention.rope]\nteta = 1.0",
     "mine.toml:3: unknown parameter of block \"attention\" \"rope.teta\"\n  Did you mean \"rope.theta\"?"},
    {"kind_of_value", "extends = \"llama\"\n[attention]\nwindow = \"wide\"",
     "mine.toml:3: \"attention.window\" must be another kind of value than text"},
    {"choice", "extends = \"llama\"\n[attention]\nqk_norm = \"heads\"",
     "mine.toml:3: unknown word for \"attention.qk_norm\" \"heads\"\n  Did you mean \"head\"?"},
    {"placeholder", "extends = \"llama\"\n[attention]\nscale = \"$head_dimm ** -0.5\"",
     "mine.toml:3: unknown placeholder \"$head_dimm\"\n  Did you mean \"$head_dim\"?"},
    {"placeholder_in_default", "extends = \"llama\"\n[defaults]\nhead_dim = \"$hiden / $heads\"",
     "mine.toml:3: unknown placeholder \"$hiden\"\n  Did you mean \"$hidden\"?"},
    {"idle_key", "extends = \"llama\"\n[config]\nkv_head = \"n_kv\"",
     "mine.toml:3: nothing uses the canonical key \"kv_head\"\n  Did you mean \"kv_heads\"?"},
    {"model", "extends = \"llama\"\n[model]\nlogit_scal = 2.0",
     "mine.toml:3: unknown member of [model] \"logit_scal\"\n  Did you mean \"logit_scale\"?"},
    {"match", "extends = \"llama\"\n[match]\nmodel_types = [\"x\"]",
     "mine.toml:3: unknown member of [match] \"model_types\"\n  Did you mean \"model_type\"?"},
    {"config_word", "extends = \"llama\"\n[config]\nheads = {form = \"n\"}",
     "mine.toml:3: unknown word in [config] \"form\"\n  Did you mean \"from\"?"},
    {"config_mark", "extends = \"llama\"\n[config]\nheads = \"rope.<kin>.n\"",
     "mine.toml:3: unknown placeholder \"<kin>\"\n  Did you mean \"<kind>\"?"},
    {"when", "extends = \"llama\"\n[config]\nheads = {from = \"n\", when = \"flag\"}",
     "mine.toml:3: \"when\" must name a canonical key: \"$key\", not \"flag\""},
    {"axis_rule", "extends = \"llama\"\n[axis.a]\nrules = [{evry = 2, kind = \"b\"}]\n[kind.b]",
     "mine.toml:3: unknown word in a rule of [axis] \"evry\"\n  Did you mean \"every\"?"},
    {"axis_end", "extends = \"llama\"\n[axis.a]\nrules = [{every = 2, kind = \"b\"}]\n[kind.b]",
     "mine.toml:2: the last rule of an axis must say {kind = ...}"},
    {"axis_kind", "extends = \"llama\"\n[axis.a]\nrules = [{kind = \"slidin\"}]\n[kind.sliding]",
     "mine.toml:3: unknown kind \"slidin\"\n  Did you mean \"sliding\"?"},
    {"kind_parameter", "extends = \"llama\"\n[kind.b.attention]\nwindw = 3",
     "mine.toml:3: unknown parameter of block \"attention\" \"windw\"\n  Did you mean \"window\"?"},
    {"stars", "extends = \"llama\"\n[tensors]\n\"a.*\" = \"*.b.*\"",
     "mine.toml:3: \"*.b.*\" has more * than \"a.*\""},
    {"experts", "extends = \"llama\"\n[tensors]\n\"a.#.*\" = \"b.#.*\"",
     "mine.toml:3: a rule has at most one #"},
    {"transform", "extends = \"llama\"\n[transforms]\n\"a\" = {spilt = [\"b\"]}",
     "mine.toml:3: unknown transform \"spilt\"\n  Did you mean \"split\"?"},
    {"two_transforms", "extends = \"llama\"\n[transforms]\n\"a\" = {add = 1, transpose = true}",
     "mine.toml:3: a transform is exactly one of"},
    {"rows", "extends = \"llama\"\n[transforms]\n\"a\" = {split = [\"b\", \"c\"], rows = [1]}",
     "mine.toml:3: 2 parts, but 1 numbers of rows"},
    {"drop", "extends = \"llama\"\n[drop]\n\"lm_head.*\" = \"tied\"",
     "mine.toml:3: \"lm_head.*\" must name a canonical key"},
    {"gguf", "extends = \"llama\"\n[gguf.conifg]\nheads = \"n\"",
     "mine.toml:2: unknown member of [gguf] \"conifg\"\n  Did you mean \"config\"?"},
    {"divisors", "extends = \"llama\"\n[gguf.config]\nrope = {divisors = \"f\"}",
     "mine.toml:3: \"theta\" stands beside divisors, and must"},
    {"hub_key", "extends = \"llama\"\n[gguf.hub]\na = {b = \"$headz\"}",
     "mine.toml:3: unknown placeholder \"$headz\"\n  Did you mean \"$heads\"?"},
    {"hub_choice", "extends = \"llama\"\n[gguf.hub]\na = {by = \"heads\", 1 = 2}",
     "mine.toml:3: \"by\" must name what chooses"},
    {"hub_null", "extends = \"llama\"\n[gguf.hub]\na = {null = false}",
     "mine.toml:3: null is written {null = true}"},
    {"no_layer", "about = \"alone\"\n[model]\nhidden = 3",
     "mine.toml: [layer] does not say \"layer\", and no kind does"},
    {"formula", "extends = \"llama\"\n[attention]\nscale = \"$heads ** \"",
     "mine.toml:3: the formula \"$heads ** \" lacks"},
};

std::string mistake_name(const testing::TestParamInfo<Mistake>& one) { return one.param.name; }
INSTANTIATE_TEST_SUITE_P(Mistakes, Language, testing::ValuesIn(kMistakes), mistake_name);

TEST(Language, KeysThatWaitForEachOther) {
  const auto library =
      library_with("extends = \"llama\"\n[config]\nheads = []\n[defaults]\nheads = \"$kv_heads\"\n");
  const Value config = fixture::small_config(R"({"num_attention_heads": null, "num_key_value_heads": null})");
  EXPECT_NE(error_of([&] { fixture::spec_of(library, "mine", config); }).find("wait for each other"),
            std::string::npos);
}

TEST(Language, TheChildsWordWins) {
  const auto library = library_with(R"(extends = "llama"
[config]
heads = "n_heads"
[defaults]
kv_heads = 2
[attention]
bias = "required"
)");
  const nn::ModelSpec spec = fixture::spec_of(
      library, "mine",
      fixture::small_config(R"({"n_heads": 4, "num_attention_heads": null, "num_key_value_heads": null})"));
  EXPECT_EQ(*spec.layers[0].mixer.params.find("heads"), Value(4));
  EXPECT_EQ(*spec.layers[0].mixer.params.find("kv_heads"), Value(2));
  EXPECT_EQ(*spec.layers[0].mixer.params.find("bias"), Value("required"));
  EXPECT_EQ(*spec.layers[0].mixer.params.find("output_bias"), Value("optional")) << "from the parent";
}

}  // namespace
}  // namespace varve::family
