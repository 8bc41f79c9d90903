// Whatever a layer remembers (pages, windows, latents, convolutions, recurrent state), a sequence can be
// resumed and forked, and goes on with the same bits as one that was computed alone. Over every golden.
#include <gtest/gtest.h>

#include <algorithm>

#include "core/json.h"
#include "engine/engine.h"
#include "engine/witness.h"
#include "models/runner.h"
#include "state/pages.h"
#include "state/slot_pool.h"
#include "support/data.h"
#include "support/goldens.h"

namespace varve::engine {
namespace {

namespace fs = std::filesystem;

using Ids = std::vector<int32_t>;

Ids joined(const Ids& a, const Ids& b) {
  Ids out = a;
  out.insert(out.end(), b.begin(), b.end());
  return out;
}

class FamilyState : public testing::TestWithParam<fs::path> {
 protected:
  void SetUp() override {
    loaded_ = test::load(GetParam(), {.precision = ops::Precision::fast});
    const Value golden = json::read_file(GetParam() / "golden.json");
    ids_ = test::ids_of(*golden.find("ids"));
    ASSERT_GE(ids_.size(), 12u);
  }
  test::Loaded loaded_;
  Ids ids_;
};

struct Turn {
  Ids ids;
  FinishEvent finish;
};

/// Runs one greedy request of `count` tokens.
Turn run(Engine& engine, const Ids& prompt, int64_t count, KeepId resume) {
  Request request;
  request.prompt = IdsPrompt{prompt};
  request.sampling.temperature = 0;
  request.limits = {.max_tokens = count, .ignore_eos = true};
  request.keep = true;
  request.resume = resume;
  Turn turn;
  const auto submitted = engine.submit(std::move(request), [&](Event event) {
    if (const auto* answer = std::get_if<AnswerEvent>(&event)) {
      for (const SampledToken& token : answer->tokens) turn.ids.push_back(token.id);
    } else if (auto* finish = std::get_if<FinishEvent>(&event)) {
      turn.finish = std::move(*finish);
    }
  });
  EXPECT_TRUE(submitted.ok());
  engine.run();
  return turn;
}

TEST_P(FamilyState, AResumedConversationGoesOnWithTheSameBits) {
  test::Testimony testimony;
  test::Witness witness(*loaded_.model, testimony);
  auto make = [&](int64_t step_tokens) {
    const int64_t most = loaded_.model->spec().max_positions;
    auto made = Engine::create(
        witness, *loaded_.backend, nullptr,
        {.memory = {.context = most > 0 ? std::min<int64_t>(most, 256) : 256, .max_sequences = 2},
         .step_tokens = step_tokens});
    EXPECT_TRUE(made.ok()) << made.error().message;
    return std::move(made.value());
  };
  const auto middle = ids_.begin() + static_cast<ptrdiff_t>(ids_.size()) * 2 / 3;
  const Ids first(ids_.begin(), middle), rest(middle, ids_.end());
  auto engine = make(7);
  const Turn one = run(*engine, first, 5, 0);
  const Ids second = joined(joined(first, one.ids), rest);
  const Turn two = run(*engine, second, 5, one.finish.kept);
  // Rotary kinds that depend on the length may have to begin anew.
  const auto limit = [&](const Ids& prompt) { return static_cast<int64_t>(prompt.size()) + 5; };
  if (witness.position_class(limit(first)) == witness.position_class(limit(second))) {
    EXPECT_EQ(two.finish.usage.cached_tokens, static_cast<int64_t>(first.size() + one.ids.size()) - 1);
  }
  auto fresh = make(512);
  EXPECT_EQ(run(*fresh, second, 5, 0).ids, two.ids);
  EXPECT_GE(testimony.compared(), 5);
}

/// A sequence in pools of pages and slots, run without an engine.
struct Branch {
  state::Pages pages;
  state::Slot slot;

  /// The logits after each of `ids`.
  std::vector<float> add(const test::Loaded& loaded, const Ids& ids, int64_t limit) {
    const auto position = static_cast<int32_t>(pages.length());
    pages.extend(static_cast<int64_t>(ids.size()));
    nn::Step step;
    step.tokens = ids;
    step.slices.push_back({.begin = 0,
                           .count = static_cast<int32_t>(ids.size()),
                           .position = position,
                           .limit = limit,
                           .pages = pages.addresses(),
                           .slot = slot.data()});
    for (int32_t r = 0; r < static_cast<int32_t>(ids.size()); ++r) step.logit_rows.push_back(r);
    std::vector<float> logits(ids.size() * static_cast<size_t>(loaded.model->spec().vocab));
    loaded.model->forward(step, *loaded.backend, {.logits = logits.data()});
    return logits;
  }
};

TEST_P(FamilyState, ForksGoOnAsIfAlone) {
  const nn::StateLayout& layout = loaded_.model->state();
  const auto limit = static_cast<int64_t>(ids_.size());
  state::PagePool pool(layout.page_bytes, 4 * state::pages_for(limit));
  state::SlotPool slots(layout.slot_bytes, 3);
  auto fresh = [&] {
    Branch branch{.pages = state::Pages(pool), .slot = *slots.take()};
    EXPECT_TRUE(branch.pages.reserve(limit));
    return branch;
  };
  const auto middle = ids_.begin() + static_cast<ptrdiff_t>(ids_.size()) * 2 / 3;  // inside a page
  const Ids stem(ids_.begin(), middle), left(middle, ids_.end());
  const Ids right(left.rbegin(), left.rend());

  auto alone = [&](const Ids& end) {
    Branch branch = fresh();
    branch.add(loaded_, stem, limit);
    return branch.add(loaded_, end, limit);
  };
  const std::vector<float> left_alone = alone(left), right_alone = alone(right);

  Branch trunk = fresh();
  trunk.add(loaded_, stem, limit);
  auto pages = trunk.pages.fork(static_cast<int64_t>(stem.size()), limit);
  ASSERT_TRUE(pages.has_value());
  Branch fork{.pages = std::move(*pages), .slot = *slots.copy(trunk.slot)};
  EXPECT_EQ(trunk.add(loaded_, left, limit), left_alone);
  EXPECT_EQ(fork.add(loaded_, right, limit), right_alone);
}

INSTANTIATE_TEST_SUITE_P(Cases, FamilyState, testing::ValuesIn(test::golden_checkpoints()),
                         [](const auto& param) { return test::case_name(param.param); });

}  // namespace
}  // namespace varve::engine
