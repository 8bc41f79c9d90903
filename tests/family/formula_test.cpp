#include "family/formula.h"

#include "family/fixture.h"
#include "family/pattern.h"

namespace varve::family {
namespace {

Value evaluated(const std::string& text) {
  return Formula::parse(text, {"x.toml", 7}).evaluate([](const std::string& key) -> Value {
    if (key == "hidden") return 64;
    if (key == "heads") return 4;
    if (key == "zero") return 0;
    if (key == "word") return "silu";
    if (key == "fraction") return 0.4;
    return {};
  });
}

TEST(Formula, KeepsWholeNumbersWhole) {
  EXPECT_EQ(evaluated("$hidden / $heads"), Value(16));
  EXPECT_EQ(evaluated("$hidden / 48"), Value(64.0 / 48.0));
  EXPECT_EQ(evaluated("floor($hidden * $fraction)"), Value(25));
  EXPECT_EQ(evaluated("2 * ($heads + 3) - $heads"), Value(10));
  EXPECT_EQ(evaluated("min($hidden, 10) + max($heads, 7)"), Value(17));
}

TEST(Formula, Powers) {
  EXPECT_EQ(evaluated("$hidden ** -0.5"), Value(0.125));
  EXPECT_EQ(evaluated("2 ** 3 ** 2 + 0 * $heads"), Value(512));
  EXPECT_EQ(evaluated("-$heads ** 2"), Value(-16));
  EXPECT_EQ(evaluated("sqrt($hidden)"), Value(8));
  EXPECT_EQ(evaluated("bf16(sqrt(32))"), Value(5.65625));
  EXPECT_EQ(evaluated("bf16($hidden)"), Value(64));
}

TEST(Formula, AKeyAloneMayBeAnything) {
  EXPECT_EQ(evaluated("$word"), Value("silu"));
  EXPECT_TRUE(evaluated("$absent").is_null());
  EXPECT_TRUE(evaluated("$absent * 2").is_null());
}

TEST(Formula, SaysWhatItCannotDo) {
  using fixture::error_of;
  EXPECT_EQ(error_of([] { evaluated("$heads / $zero"); }), "x.toml:7: \"$heads / $zero\" divides by zero");
  EXPECT_EQ(error_of([] { evaluated("$word * 2"); }),
            "x.toml:7: \"$word * 2\" needs numbers, and one of its keys is text");
  EXPECT_EQ(error_of([] { evaluated("$heads +"); }),
            "x.toml:7: the formula \"$heads +\" lacks a number, a $key or a function (at \"\")");
  EXPECT_EQ(error_of([] { evaluated("($heads"); }),
            "x.toml:7: the formula \"($heads\" lacks a \")\" (at \"\")");
  EXPECT_EQ(error_of([] { evaluated("$heads heads"); }),
            "x.toml:7: the formula \"$heads heads\" cannot be read from here (at \"heads\")");
  EXPECT_NE(error_of([] { evaluated("$heads * log(2)"); }).find("functions are bf16, floor, sqrt, min, max"),
            std::string::npos);
  EXPECT_NE(error_of([] { evaluated(std::string(100, '(') + "$heads"); }).find("nested too deep"),
            std::string::npos);
  EXPECT_NE(error_of([] { evaluated("0 ** (0 - $heads)"); }).find("no finite value"), std::string::npos);
}

TEST(Pattern, StarsAndNumbers) {
  const auto match = match_pattern("*.experts.#.w1.*", "model.layers.3.experts.17.w1.weight");
  ASSERT_TRUE(match);
  EXPECT_EQ(match->number, 17);
  EXPECT_EQ(substitute("*.mlp.experts.gate_proj.*", *match), "model.layers.3.mlp.experts.gate_proj.weight");
  EXPECT_FALSE(match_pattern("*.experts.#.w1.*", "model.layers.3.experts.w1.weight"));
  EXPECT_FALSE(match_pattern("*.w1", "model.w1.weight"));
  EXPECT_TRUE(match_pattern("*norm.weight", "norm.weight"));
  EXPECT_TRUE(match_pattern("a*b*c", "abbbc"));
}

}  // namespace
}  // namespace varve::family
