// A conversation whose answers come back as text, with a tokenizer that would cut them otherwise.
#include "engine/seen_answers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "engine/engine.h"
#include "engine/fake_model.h"

namespace varve::engine {
namespace {

using test::Answer;
using testing::ElementsAre;
using testing::IsEmpty;

using Ids = std::vector<int32_t>;

constexpr int32_t kBegin = 0, kEnd = 1;  // frame messages

/// a, b, aa, ab, ba, bb, aaa, ... : every text of a and b has many spellings; encode() takes the longest
/// piece first.
class Pairs final : public TextCodec {
 public:
  Pairs() {
    pieces_ = {"", "", "a", "b"};
    for (size_t i = 2; pieces_.size() < 96; ++i)
      for (const char c : {'a', 'b'}) pieces_.push_back(pieces_[i] + c);
    pieces_.push_back("");  // a token without bytes
  }
  Ids cut(const std::string& text) const {
    Ids ids;
    for (size_t at = 0; at < text.size();) {
      size_t best = 2;
      for (size_t i = 2; i < pieces_.size(); ++i)
        if (pieces_[i].size() > pieces_[best].size() && text.compare(at, pieces_[i].size(), pieces_[i]) == 0)
          best = i;
      if (pieces_[best].size() == 1) best = text[at] == 'a' ? 2 : 3;
      ids.push_back(static_cast<int32_t>(best));
      at += pieces_[best].size();
    }
    return ids;
  }
  Result<Ids> encode(const Prompt& prompt) const override {
    Ids ids;
    for (const Value& message : std::get<text::ChatInput>(prompt).messages) {
      ids.push_back(kBegin);
      for (const int32_t id : cut(message.find("content")->text())) ids.push_back(id);
      ids.push_back(kEnd);
    }
    ids.push_back(kBegin);
    return ids;
  }
  bool is_control(int32_t id) const override { return id <= kEnd; }
  std::string bytes(int32_t id) const override { return pieces_.at(static_cast<size_t>(id)); }
  std::string text(const Ids& ids) const {
    std::string out;
    for (const int32_t id : ids) out += is_control(id) ? std::string(1, "{}"[id]) : bytes(id);
    return out;
  }
  std::unique_ptr<TextDecoder> decoder(const Prompt&, std::span<const int32_t>, bool) const override {
    class Decoder final : public TextDecoder {
     public:
      explicit Decoder(const Pairs& codec) : codec_(codec) {}
      std::string push(int32_t id) override { return codec_.bytes(id); }
      std::string finish() override { return {}; }

     private:
      const Pairs& codec_;
    };
    return std::make_unique<Decoder>(*this);
  }
  int32_t id(const std::string& piece) const {
    return static_cast<int32_t>(std::find(pieces_.begin() + 2, pieces_.end(), piece) - pieces_.begin());
  }

 private:
  std::vector<std::string> pieces_;
};

const Pairs kCodec;

Ids ids_of(std::initializer_list<const char*> pieces) {
  Ids out;
  for (const std::string piece : pieces)
    out.push_back(piece == "{" ? kBegin : piece == "}" ? kEnd : kCodec.id(piece));
  return out;
}

size_t prompt_overlap(const Ids& prompt, const Ids& answer) {
  const Overlap both = overlap(prompt, answer, kCodec);
  EXPECT_EQ(kCodec.text(Ids(prompt.begin(), prompt.begin() + static_cast<ptrdiff_t>(both.prompt))),
            kCodec.text(Ids(answer.begin(), answer.begin() + static_cast<ptrdiff_t>(both.answer))));
  return both.prompt;
}

TEST(Overlap, EndsWhereBothEndATokenAtTheSameByte) {
  EXPECT_EQ(prompt_overlap(ids_of({"ab", "a", "}"}), ids_of({"a", "ba"})), 2u);
  EXPECT_EQ(prompt_overlap(ids_of({"ab", "ab", "}"}), ids_of({"a", "ba"})), 0u);      // inside a token
  EXPECT_EQ(prompt_overlap(ids_of({"ab", "ab"}), ids_of({"a", "b", "ba"})), 1u);      // as far as it goes
  EXPECT_EQ(prompt_overlap(ids_of({"ab", "b", "}"}), ids_of({"ab", "aa"})), 1u);      // other text
  EXPECT_EQ(prompt_overlap(ids_of({"ab", "}", "a"}), ids_of({"ab", "}", "a"})), 3u);  // the same control
  EXPECT_EQ(prompt_overlap(ids_of({"ab", "}", "a"}), ids_of({"ab", "{", "a"})), 1u);  // another
  EXPECT_EQ(prompt_overlap(ids_of({"ab"}), ids_of({"ab", "}"})), 1u);
  EXPECT_EQ(prompt_overlap({}, ids_of({"a"})), 0u);
  EXPECT_EQ(prompt_overlap(ids_of({"a"}), {96, kCodec.id("a")}), 0u);  // no bytes of its own
}

TEST(SeenAnswers, TakeTheirPlaceAndNothingElseChanges) {
  SeenAnswers seen;
  const Ids before = ids_of({"{", "aa", "}", "{"});
  const Ids answer = ids_of({"a", "ba", "b"});
  seen.add("n", before, answer);
  Ids prompt = before;
  for (const int32_t id : ids_of({"aba", "b", "}", "{"})) prompt.push_back(id);
  const Ids spliced = seen.splice("n", prompt, kCodec);
  EXPECT_EQ(spliced, ids_of({"{", "aa", "}", "{", "a", "ba", "b", "}", "{"}));
  EXPECT_EQ(seen.splice("other", prompt, kCodec), prompt);
  EXPECT_EQ(SeenAnswers().splice("n", prompt, kCodec), prompt);
  Ids elsewhere = prompt;
  elsewhere[1] = kCodec.id("ab");  // the same text after other tokens
  EXPECT_EQ(seen.splice("n", elsewhere, kCodec), elsewhere);
  EXPECT_THAT(seen.splice("n", {}, kCodec), IsEmpty());
}

TEST(SeenAnswers, TheLongestOfSeveralAndOneAfterTheOther) {
  SeenAnswers seen;
  const Ids before = ids_of({"{"});
  seen.add("", before, ids_of({"a"}));
  seen.add("", before, ids_of({"a", "b", "a"}));
  seen.add("", before, ids_of({"b"}));
  seen.add("", ids_of({"{", "a", "b", "a", "}", "{"}), ids_of({"b", "b"}));
  EXPECT_EQ(seen.splice("", ids_of({"{", "aba", "}", "{", "bb", "}"}), kCodec),
            ids_of({"{", "a", "b", "a", "}", "{", "b", "b", "}"}));
}

TEST(SeenAnswers, HoldNoMoreThanTheyMay) {
  SeenAnswers seen(20'000);
  for (int32_t i = 0; i < 1000; ++i) {
    seen.add("", Ids{i}, test::random_prompt(static_cast<uint64_t>(i), 50));
    EXPECT_LE(seen.bytes(), 20'000u);
  }
  EXPECT_GT(seen.bytes(), 15'000u);
  SeenAnswers same;
  for (uint64_t i = 0; i < 100; ++i) same.add("", Ids{1}, test::random_prompt(i, 50));
  EXPECT_LT(same.bytes(), 10'000u);  // answers to one prompt are few
  SeenAnswers none(10);
  none.add("", Ids{1}, Ids{1, 2, 3});
  EXPECT_EQ(none.bytes(), 0u);
}

TEST(SeenAnswers, FromManyThreads) {
  SeenAnswers seen(50'000);
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t)
    threads.emplace_back([&seen, t] {
      for (uint64_t i = 0; i < 300; ++i) {
        const Ids before = test::random_prompt(i % 50, 10, 90);
        seen.add("", before, test::random_prompt(t * 1000 + i, 12, 90));
        const std::string text = kCodec.text(before);
        EXPECT_EQ(kCodec.text(seen.splice("", before, kCodec)), text);
      }
    });
  for (std::thread& thread : threads) thread.join();
}

/// Whole conversations: each turn sends all messages as text, and all that the last turn had is known.
class Conversation : public testing::TestWithParam<test::FakeModel::Traits> {};

TEST_P(Conversation, ComesBackAsTextAndIsNotComputedAgain) {
  test::FakeModel model(GetParam());
  auto engine = test::make_engine(model, {.stop_ids = {kEnd}}, &kCodec);
  text::ChatInput chat;
  const auto say = [&](const char* role, const std::string& content) {
    Table message;
    message.set("role", role);
    message.set("content", content);
    chat.messages.emplace_back(std::move(message));
  };
  int64_t before = 0, recut = 0;
  std::mt19937 random(3);
  for (uint64_t turn = 0; turn < 8; ++turn) {
    std::string question;
    for (int i = 0; i < 20; ++i) question += "ab"[random() % 2];
    say("user", question);
    Request request = test::greedy({}, 12);
    request.prompt = chat;
    request.sampling = {.temperature = 1.0, .logit_bias = {{kBegin, -100.0f}, {96, -100.0f}}, .seed = turn};
    const auto prepared = engine->prepare(request);
    ASSERT_TRUE(prepared.ok());
    const Ids plain = kCodec.encode(request.prompt).value();
    EXPECT_EQ(kCodec.text(prepared.value().ids), kCodec.text(plain));
    recut += prepared.value().ids != plain;
    Answer answer;
    ASSERT_TRUE(engine->submit(request, test::collect(answer)).ok());
    engine->run();
    const Usage& usage = answer.finish().usage;
    EXPECT_EQ(usage.prompt_tokens, static_cast<int64_t>(prepared.value().ids.size()));
    EXPECT_EQ(usage.cached_tokens, before) << turn;
    EXPECT_EQ(answer.ids, test::expected(model, prepared.value().ids, request.sampling,
                                         static_cast<int64_t>(answer.ids.size())));
    before = usage.prompt_tokens + usage.completion_tokens - 1;
    say("assistant", answer.text);
  }
  EXPECT_GE(recut, 6);
}

INSTANTIATE_TEST_SUITE_P(Kinds, Conversation,
                         testing::Values(test::FakeModel::Traits{},
                                         test::FakeModel::Traits{.paged = true, .recurrent = true}));

}  // namespace
}  // namespace varve::engine
