// Kinds of layers: every form of rule, and what a config may get wrong.
#include "family/kinds.h"

#include "family/fixture.h"

namespace varve::family {
namespace {

using fixture::error_of;

/// "bbabb": the kinds of the layers by the first letter of their names.
std::string kinds(const std::string& rules, const std::string& config, int64_t layers = 5) {
  const auto library = fixture::library_with(
      "extends = \"llama\"\n[config]\np = \"p\"\nflag = \"flag\"\n[axis.x]\nrules = [" + rules +
      ", {from = \"$p\", when = \"$flag\", kind = \"a\"}, {kind = \"b\"}]\n"
      "[kind.a]\nword = [\"A\", \"one\", \"1\"]\n[kind.a.attention]\nwindow = 3\n[kind.b]\nword = [\"B\", "
      "\"0\"]\n");
  Value merged = fixture::small_config(config);
  merged.table().set("num_hidden_layers", layers);
  std::string out;
  for (const nn::LayerSpec& layer : fixture::spec_of(library, "mine", merged).layers) {
    EXPECT_EQ(layer.mixer.params.find("window") != nullptr, layer.kind == "a");
    out += layer.kind;
  }
  return out;
}

TEST(Kinds, EveryFormOfRule) {
  EXPECT_EQ(kinds(R"({list = "$p"})", R"({"p": ["A", "B", "one", "B", "A"]})"), "ababa");
  EXPECT_EQ(kinds(R"({list = "$p"})", R"({"p": [1, 0, 1, 0, 0]})"),
            "abab"
            "b");
  EXPECT_EQ(kinds(R"({list = "$p"})", R"({"p": "ABBBA"})"), "abbba");
  EXPECT_EQ(kinds(R"({cycle = "$p"})", R"({"p": ["B", "B", "A"]})", 7), "bbabbab");
  EXPECT_EQ(kinds(R"({indices = "$p", kind = "a"})", R"({"p": [0, 3, 77]})"), "abbab");
  EXPECT_EQ(kinds(R"({every = "$p", kind = "a"})", R"({"p": 2})"), "babab");
  EXPECT_EQ(kinds(R"({every = "$p", offset = 0, kind = "a"})", R"({"p": 2})"), "ababa");
  EXPECT_EQ(kinds(R"({every = "$p", kind = "a"})", R"({"p": 9})"), "bbbbb");
  EXPECT_EQ(kinds(R"({first = "$p", kind = "a"})", R"({"p": 2})"), "aabbb");
  EXPECT_EQ(kinds(R"({from = "$p", kind = "a"})", R"({"p": 2})"), "bbaaa");
}

TEST(Kinds, ARuleWithoutItsKeyIsSilent) {
  EXPECT_EQ(kinds(R"({list = "$p"})", "{}"), "bbbbb");
  EXPECT_EQ(kinds(R"({cycle = "$p"})", R"({"p": []})"), "bbbbb") << "an empty list speaks about no layer";
}

TEST(Kinds, AConditionMustHold) {
  EXPECT_EQ(kinds(R"({first = 1, kind = "b"})", R"({"p": 2, "flag": true})"), "bbaaa");
  EXPECT_EQ(kinds(R"({first = 1, kind = "b"})", R"({"p": 2, "flag": false})"), "bbbbb");
  EXPECT_NE(error_of([] {
              kinds(R"({first = 1, kind = "b"})", R"({"p": 2, "flag": "yes"})");
            }).find("\"flag\" must be true or false"),
            std::string::npos);
}

TEST(Kinds, AConfigThatContradictsItself) {
  const std::string shorter = error_of([] { kinds(R"({list = "$p"})", R"({"p": ["A", "B"]})"); });
  EXPECT_EQ(
      shorter,
      "config.json: config \"p\" must name the kind of every layer\n  expected: 5 words\n  found:    2");
  const std::string word = error_of([] { kinds(R"({cycle = "$p"})", R"({"p": ["A", "on"]})"); });
  EXPECT_EQ(word,
            "config.json: config \"p\" names a kind of layer that family \"mine\" does not have\n"
            "  expected: one of A, one, 1, B, 0\n  found:    \"on\"\n  Did you mean \"one\"?");
  EXPECT_NE(error_of([] { kinds(R"({every = "$p", kind = "a"})", R"({"p": 0})"); }).find("at least 1"),
            std::string::npos);
  EXPECT_NE(error_of([] { kinds(R"({indices = "$p", kind = "a"})", R"({"p": [-1]})"); }).find("at least 0"),
            std::string::npos);
}

TEST(Kinds, AValueForEachLayer) {
  const auto library =
      fixture::library_with("extends = \"llama\"\n[config]\ninner = {from = \"widths\", each = true}\n");
  const nn::ModelSpec spec = fixture::spec_of(
      library, "mine",
      fixture::small_config(R"({"widths": [4, 8], "num_hidden_layers": 2, "intermediate_size": null})"));
  EXPECT_EQ(*spec.layers[0].ffn.params.find("inner"), Value(4));
  EXPECT_EQ(*spec.layers[1].ffn.params.find("inner"), Value(8));
  EXPECT_NE(error_of([&] {
              fixture::spec_of(library, "mine",
                               fixture::small_config(
                                   R"({"widths": [4], "num_hidden_layers": 2, "intermediate_size": null})"));
            }).find("one value for each layer, and too few"),
            std::string::npos);
}

}  // namespace
}  // namespace varve::family
