// Hostile files and templates: an error each, never a crash, never without end.
#include <chrono>

#include "text/chat_template.h"
#include "text_support.h"

namespace varve::text {
namespace {

std::string refusal_of(const std::string& tokenizer_json) {
  TextAssets assets;
  assets.tokenizer_json = tokenizer_json;
  assets.origin = "attack.json";
  try {
    Tokenizer::load(assets);
  } catch (const LoadError& e) {
    return e.what();
  }
  return "";
}

std::string with_model(const std::string& model, const std::string& rest = "") {
  return R"({"version": "1.0", "model": )" + model + rest + "}";
}

TEST(HostileTokenizer, TruncatedAnywhere) {
  VARVE_NEEDS(tokenizer_dir("gpt2"));
  const std::string good = read_text(tokenizer_dir("gpt2") / "tokenizer.json", 16 << 20);
  for (size_t part = 0; part < 16; ++part) {
    EXPECT_NE(refusal_of(good.substr(0, good.size() * part / 16)), "") << part;
  }
}

TEST(HostileTokenizer, Nonsense) {
  for (const std::string json :
       {"", "[]", "null", "{}", "{\"model\": 3}", "\xFF\xFE", "{\"model\": {\"type\": \"BPE\"}}"}) {
    EXPECT_NE(refusal_of(json), "") << json;
  }
  const std::string deep(200'000, '[');
  EXPECT_NE(refusal_of(deep).find("deeper than 64"), std::string::npos);
  EXPECT_NE(refusal_of(with_model(deep)).find("deeper than 64"), std::string::npos);
}

TEST(HostileTokenizer, VocabulariesThatClaimTooMuch) {
  const auto message = refusal_of(with_model(R"({"type": "BPE", "vocab": {"a": 4294967295}, "merges": []})"));
  EXPECT_NE(message.find("4294967295"), std::string::npos) << message;
  EXPECT_NE(refusal_of(with_model(R"({"type": "BPE", "vocab": {"a": 99999999999999}, "merges": []})")), "");
  EXPECT_NE(refusal_of(with_model(R"({"type": "BPE", "vocab": {"a": -1}, "merges": []})")), "");
  EXPECT_NE(refusal_of(with_model(R"({"type": "BPE", "vocab": {}, "merges": []})")), "");
  EXPECT_NE(refusal_of(with_model(R"({"type": "BPE", "vocab": {"a": 0}, "merges": ["a b"]})")), "");
  EXPECT_NE(refusal_of(with_model(R"({"type": "Unigram", "unk_id": 7, "vocab": [["a", 0.0]]})")), "");
  EXPECT_NE(
      refusal_of(with_model(
          R"({"type": "BPE", "vocab": {"a": 0}, "merges": []})",
          R"(, "added_tokens": [{"id": 4294967295, "content": "x", "single_word": false, "lstrip": false,
                     "rstrip": false, "normalized": false, "special": true}])")),
      "");
}

// Ids that the file gives to its added tokens hold, also where the numbering has holes.
TEST(Tokenizer, AddedTokensKeepTheirIds) {
  TextAssets assets;
  assets.tokenizer_json = with_model(
      R"({"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": []})",
      R"(, "added_tokens": [{"id": 70, "content": "<x>", "single_word": false, "lstrip": false, "rstrip": false,
          "normalized": false, "special": false}])");
  const Tokenizer tokenizer = Tokenizer::load(assets);
  EXPECT_EQ(encode(tokenizer, "a<x>b"), (std::vector<int32_t>{0, 70, 1}));
  EXPECT_EQ(tokenizer.vocab_size(), 71);
}

struct Outcome {
  std::string error;
  double seconds = 0;
};

Outcome run(const std::string& source) {
  const auto begin = std::chrono::steady_clock::now();
  Outcome outcome;
  const auto rendered = ChatTemplate::compile(source, "attack").render({});
  if (!rendered.ok()) outcome.error = rendered.error().message;
  outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return outcome;
}

TEST(HostileTemplate, LoopsEnd) {
  const Outcome loops = run(
      "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}{% endfor %}{% endfor %}"
      "{% endfor %}");
  EXPECT_NE(loops.error.find("steps"), std::string::npos) << loops.error;
  EXPECT_LT(loops.seconds, 20);
}

TEST(HostileTemplate, RecursionEnds) {
  const Outcome macros = run("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}");
  EXPECT_NE(macros.error.find("recurs"), std::string::npos) << macros.error;
  const Outcome loops = run("{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}");
  EXPECT_NE(loops.error, "");
  std::string nested;
  for (int i = 0; i < 2000; ++i) nested += "{% if true %}";
  EXPECT_THROW(ChatTemplate::compile(nested, "attack"), LoadError);
  EXPECT_THROW(ChatTemplate::compile("{{ " + std::string(100'000, '(') + " }}", "attack"), LoadError);
  EXPECT_THROW(ChatTemplate::compile("{{ " + std::string(100'000, '[') + " }}", "attack"), LoadError);
}

TEST(HostileTemplate, SixtyFourCallsDeepIsStillFine) {
  const auto rendered =
      ChatTemplate::compile("{% macro f(n) %}{% if n %}x{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(40) }}",
                            "")
          .render({});
  ASSERT_TRUE(rendered.ok()) << rendered.error().message;
  EXPECT_EQ(rendered.value(), std::string(40, 'x'));
}

TEST(HostileTemplate, OutputIsLimited) {
  const Outcome flood = run("{% for a in range(9999) %}{{ 'x' * 100000 }}{% endfor %}");
  EXPECT_NE(flood.error.find("limit of 16777216"), std::string::npos) << flood.error;
  EXPECT_NE(run("{{ 'x' * 20000000 }}").error, "");
  EXPECT_NE(run("{{ ['x' * 1000000] * 100 | tojson }}").error, "");
  EXPECT_NE(run("{{ (['x' * 1000000] * 100) | join }}").error, "");
}

// Memory that a template gathers without writing it out.
TEST(HostileTemplate, MemoryIsLimited) {
  for (const char* source :
       {"{% set ns = namespace(x='xxxxxxxx') %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor "
        "%}",
        "{% set ns = namespace(x=[]) %}{% for i in range(9999) %}{% set ns.x = ns.x + [('x' * 9000000) ~ i] "
        "%}{% "
        "endfor %}",
        "{% set x %}{% for i in range(9999) %}{{ 'x' * 1000000 }}{% endfor %}{% endset %}",
        "{% for i in range(9999) %}{% for j in range(9) %}{% set x = 'x' * (9000000 + j) %}{% endfor %}{% "
        "endfor "
        "%}"}) {
    const ChatTemplate bomb = ChatTemplate::compile(source, "attack");
    for (int again = 0; again < 2; ++again) {
      const auto rendered = bomb.render({});
      ASSERT_FALSE(rendered.ok()) << source;
      EXPECT_NE(rendered.error().message.find("memory"), std::string::npos) << rendered.error().message;
    }
  }
  std::string constants;
  for (int i = 0; i < 20'000; ++i) constants += "{{ 'x' * 90000000 }}";
  EXPECT_THROW(ChatTemplate::compile(constants, "attack"), LoadError);
  EXPECT_EQ(run("{{ 'still alive' }}").error, "");
}

// One conversation that is too large does not take the template away from the others; what it held is lost,
// though, so a template that does it again and again is given up.
TEST(HostileTemplate, IsGivenUpAfterThreeRenderingsBeyondItsMemory) {
  const ChatTemplate doubling = ChatTemplate::compile(
      "{% set ns = namespace(x='xxxxxxxx') %}{% for i in range(n) %}{% set ns.x = ns.x + ns.x %}{% endfor %}"
      "{{ ns.x | length }}",
      "attack");
  const auto render = [&](int64_t n) {
    Table context;
    context.set("n", n);
    const auto rendered = doubling.render(context);
    return rendered.ok() ? rendered.value() : rendered.error().message;
  };
  for (int strike = 0; strike < 3; ++strike) {
    EXPECT_EQ(render(1), "16");
    EXPECT_NE(render(60).find("more than 512 MB of memory"), std::string::npos);
  }
  EXPECT_NE(render(1).find("not run any more"), std::string::npos) << render(1);
}

TEST(HostileTemplate, PanicsOfTheLibraryStayInside) {
  const Outcome reversed = run("{{ [][::-1] }}");
  EXPECT_NE(reversed.error, "");
  EXPECT_EQ(run("{{ 'still alive' }}").error, "");
}

TEST(HostileTemplate, Sizes) {
  EXPECT_THROW(ChatTemplate::compile(std::string((1 << 20) + 1, 'x'), "attack"), LoadError);
  EXPECT_THROW(ChatTemplate::compile("\xFF", "attack"), LoadError);
  Value deep(Array{});
  for (int i = 0; i < 100; ++i) deep = Value(Array{deep});
  Table context;
  context.set("x", deep);
  EXPECT_FALSE(ChatTemplate::compile("{{ x }}", "attack").render(context).ok());
}

}  // namespace
}  // namespace varve::text
