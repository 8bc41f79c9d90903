// Every family against Transformers: tests/cases/golden holds tiny random checkpoints with the logits and
// the greedy ids that Transformers computed in float32 (tools/golden makes them).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/json.h"
#include "models/runner.h"
#include "support/data.h"
#include "support/goldens.h"
#include "support/npy.h"

namespace varve {
namespace {

namespace fs = std::filesystem;

double rms(const std::vector<float>& values) {
  double sum = 0;
  for (const float v : values) sum += double{v} * v;
  return std::sqrt(sum / static_cast<double>(values.size()));
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double most = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double d = std::abs(double{a[i]} - b[i]);
    if (!(d <= most)) most = d;  // a NaN counts as a difference
  }
  return most;
}

fs::path checkpoint_of(const fs::path& dir) {
  for (const auto& entry : fs::directory_iterator(dir))
    if (entry.path().extension() == ".gguf") return entry.path();
  return dir;
}

class Golden : public ::testing::TestWithParam<fs::path> {};

TEST_P(Golden, LogitsAgreeWithTransformers) {
  const Value golden = json::read_file(GetParam() / "golden.json");
  const std::vector<int32_t> ids = test::ids_of(*golden.find("ids"));
  const test::NpyArray expected = test::read_npy(GetParam() / "logits.npy");
  const test::Loaded loaded = test::load(checkpoint_of(GetParam()), {});
  const std::vector<float> logits = test::logits_of(loaded, ids);
  ASSERT_EQ(logits.size(), expected.values.size());
  const double distance = largest_difference(logits, expected.values) / rms(expected.values);
  RecordProperty("distance",
                 std::to_string(distance * 1e6));  // in millionths; tools/quality/figures.py shows it
  EXPECT_LE(distance, 1e-3);
}

TEST_P(Golden, BothConfigSpellingsGiveTheSameBits) {
  if (!fs::exists(GetParam() / "config.transformers5.json")) GTEST_SKIP() << "one spelling only";
  const std::vector<int32_t> ids = test::ids_of(*json::read_file(GetParam() / "golden.json").find("ids"));
  const auto hub = test::logits_of(test::load(GetParam(), {}), ids);
  const auto five = test::logits_of(test::load(GetParam(), {.config = "config.transformers5.json"}), ids);
  EXPECT_EQ(hub, five);
}

TEST_P(Golden, GreedyIdsAreTheSame) {
  const Value golden = json::read_file(GetParam() / "golden.json");
  const std::vector<int32_t> expected = test::ids_of(*golden.find("greedy_ids"));
  if (expected.empty()) GTEST_SKIP() << "the golden has no greedy ids";
  const test::Loaded loaded = test::load(checkpoint_of(GetParam()), {});
  EXPECT_EQ(test::greedy(loaded, test::ids_of(*golden.find("ids")), static_cast<int64_t>(expected.size())),
            expected);
}

TEST_P(Golden, OneAnswerWhateverTheChunksAndThreads) {
  const std::vector<int32_t> ids = test::ids_of(*json::read_file(GetParam() / "golden.json").find("ids"));
  for (const ops::Precision precision : {ops::Precision::exact, ops::Precision::fast}) {
    const test::Loaded one = test::load(checkpoint_of(GetParam()), {.precision = precision, .threads = 1});
    const test::Loaded two = test::load(checkpoint_of(GetParam()), {.precision = precision, .threads = 2});
    const std::vector<float> whole = test::logits_of(one, ids);
    for (const int64_t chunk : {1, 7, 64})
      EXPECT_EQ(test::logits_of(one, ids, chunk), whole) << "chunk " << chunk;
    EXPECT_EQ(test::logits_of(two, ids, 7), whole) << "two threads";
  }
}

TEST_P(Golden, OneAnswerInABatch) {
  const std::vector<int32_t> ids = test::ids_of(*json::read_file(GetParam() / "golden.json").find("ids"));
  const test::Loaded loaded = test::load(checkpoint_of(GetParam()), {.precision = ops::Precision::fast});
  const std::vector<float> alone = test::logits_of(loaded, ids);
  for (int batch = 2; batch <= 16; ++batch) {
    nn::Step step;
    std::vector<test::Sequence> sequences;
    for (int b = 0; b < batch; ++b) sequences.emplace_back(*loaded.model, static_cast<int64_t>(ids.size()));
    for (test::Sequence& sequence : sequences) sequence.add_to(step, ids);
    const std::vector<float> logits = test::forward(loaded, step);
    for (int b = 0; b < batch; ++b) {
      const auto begin = logits.begin() + static_cast<ptrdiff_t>(alone.size()) * b;
      EXPECT_TRUE(std::equal(alone.begin(), alone.end(), begin)) << "sequence " << b << " of " << batch;
    }
  }
}

// As a server's steps are: one sequence has all of its prompt to go through, another a piece from the middle,
// a third its next token.
TEST_P(Golden, OneAnswerBesideSequencesOfOtherLengthsAndPositions) {
  const std::vector<int32_t> ids = test::ids_of(*json::read_file(GetParam() / "golden.json").find("ids"));
  const auto size = static_cast<int64_t>(ids.size());
  for (const ops::Precision precision : {ops::Precision::exact, ops::Precision::fast}) {
    const test::Loaded loaded = test::load(checkpoint_of(GetParam()), {.precision = precision});
    const int64_t vocab = loaded.model->spec().vocab;
    const std::vector<float> alone = test::logits_of(loaded, ids);
    struct Part {
      int64_t begin, end;
    };
    const std::vector<Part> parts = {
        {0, size},        {size - 1, size}, {size / 3, size - 2}, {0, 1},           {0, size / 2},
        {size / 2, size}, {1, 2},           {size - 3, size - 1}, {size / 4, size}, {0, 2 * (size / 3)}};
    std::vector<test::Sequence> sequences;
    for (const Part& part : parts) {
      sequences.emplace_back(*loaded.model, size);
      if (part.begin == 0) continue;
      nn::Step before;
      sequences.back().add_to(before, std::span(ids).first(static_cast<size_t>(part.begin)));
      test::forward(loaded, before);
    }
    nn::Step step;
    for (size_t i = 0; i < parts.size(); ++i)
      sequences[i].add_to(step, std::span(ids).subspan(static_cast<size_t>(parts[i].begin),
                                                       static_cast<size_t>(parts[i].end - parts[i].begin)));
    const std::vector<float> logits = test::forward(loaded, step);
    auto at = logits.begin();
    for (const Part& part : parts) {
      const auto begin = alone.begin() + part.begin * vocab, end = alone.begin() + part.end * vocab;
      EXPECT_TRUE(std::equal(begin, end, at)) << "rows " << part.begin << " to " << part.end;
      at += end - begin;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, Golden, ::testing::ValuesIn(test::golden_cases()),
                         [](const auto& param) { return test::case_name(param.param); });

}  // namespace
}  // namespace varve
