#include "engine/fake_model.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

namespace varve::test {

namespace {

uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

uint64_t absorb(uint64_t hash, int32_t token) { return mix(hash ^ static_cast<uint64_t>(token)); }

constexpr int64_t kPageTokens = 16;
constexpr int32_t kSecondLayer = 0x5a5a;

class NoBackend final : public ops::Backend {
 public:
  void embed(const ops::EmbedArgs&) override { used(); }
  void linear(const ops::LinearArgs&) override { used(); }
  void expert_linear(const ops::ExpertLinearArgs&) override { used(); }
  void rms_norm(const ops::RmsNormArgs&) override { used(); }
  void layer_norm(const ops::LayerNormArgs&) override { used(); }
  void rope(const ops::RopeArgs&) override { used(); }
  void kv_append(const ops::KvAppendArgs&) override { used(); }
  void attention(const ops::AttentionArgs&) override { used(); }
  void gated(const ops::GatedArgs&) override { used(); }
  void axpby(const ops::AxpbyArgs&) override { used(); }
  void softcap(const ops::SoftcapArgs&) override { used(); }
  void route(const ops::RouteArgs&) override { used(); }
  void combine(const ops::CombineArgs&) override { used(); }
  void causal_conv(const ops::CausalConvArgs&) override { used(); }
  void delta_scan(const ops::DeltaScanArgs&) override { used(); }
  void ssm_scan(const ops::SsmScanArgs&) override { used(); }
  void rg_lru_scan(const ops::RgLruScanArgs&) override { used(); }
  int64_t quantize(const ops::QuantizeArgs&) override {
    used();
    return -1;
  }
  void dequantize(const ops::DequantizeArgs&) override { used(); }

 private:
  static void used() { ADD_FAILURE() << "the fake model uses no backend"; }
};

class FakeDecoder final : public engine::TextDecoder {
 public:
  FakeDecoder(const std::vector<std::string>& pieces, std::string tail)
      : pieces_(pieces), tail_(std::move(tail)) {}
  std::string push(int32_t id) override { return pieces_.at(static_cast<size_t>(id)); }
  std::string finish() override { return tail_; }

 private:
  const std::vector<std::string>& pieces_;
  std::string tail_;
};

}  // namespace

FakeModel::FakeModel(const Traits& traits) {
  spec_.vocab = traits.vocab;
  spec_.max_positions = traits.max_positions;
  state_.page_bytes = traits.paged ? 2 * kPageTokens * static_cast<int64_t>(sizeof(int32_t)) : 0;
  state_.slot_bytes = traits.recurrent ? static_cast<int64_t>(sizeof(uint64_t)) : 0;
}

void FakeModel::run_slice(const nn::Step& step, const nn::Step::Slice& slice, std::vector<uint64_t>& hashes) {
  const int64_t end = slice.position + slice.count;
  EXPECT_EQ(static_cast<int64_t>(slice.pages.size()), (end + kPageTokens - 1) / kPageTokens);
  EXPECT_LT(end, slice.limit + 1);
  const auto place = [&](int64_t position, int64_t layer) {
    return slice.pages[static_cast<size_t>(position / kPageTokens)] +
           (layer * kPageTokens + position % kPageTokens) * static_cast<int64_t>(sizeof(int32_t));
  };
  uint64_t recurrent = 0;
  if (slice.slot) std::memcpy(&recurrent, slice.slot, sizeof recurrent);
  for (int64_t row = 0; row < slice.count; ++row) {
    const int32_t token = step.tokens[static_cast<size_t>(slice.begin + row)];
    const int64_t position = slice.position + row;
    recurrent = absorb(recurrent, token);
    uint64_t hash = 0;
    if (state_.page_bytes > 0) {
      const int32_t second = token ^ kSecondLayer;
      std::memcpy(place(position, 0), &token, sizeof token);
      std::memcpy(place(position, 1), &second, sizeof second);
      for (int64_t p = 0; p <= position; ++p) {
        int32_t a = 0, b = 0;
        std::memcpy(&a, place(p, 0), sizeof a);
        std::memcpy(&b, place(p, 1), sizeof b);
        if ((a ^ kSecondLayer) != b) ADD_FAILURE() << "a page's layers disagree at position " << p;
        hash = absorb(hash, a);
      }
    } else {
      hash = recurrent;
    }
    if (slice.slot && hash != recurrent) ADD_FAILURE() << "slot and pages disagree at " << position;
    hashes[static_cast<size_t>(slice.begin + row)] = hash;
  }
  if (slice.slot) std::memcpy(slice.slot, &recurrent, sizeof recurrent);
  EXPECT_EQ(slice.slot != nullptr, state_.slot_bytes > 0);
}

void FakeModel::forward(const nn::Step& step, ops::Backend&, const Output& output) {
  std::vector<uint64_t> hashes(step.tokens.size());
  int32_t covered = 0;
  for (const nn::Step::Slice& slice : step.slices) {
    EXPECT_EQ(slice.begin, covered);
    EXPECT_GT(slice.count, 0);
    covered += slice.count;
    run_slice(step, slice, hashes);
  }
  EXPECT_EQ(covered, step.rows());
  rows_computed += step.rows();
  if (record) steps.push_back(step);
  for (size_t i = 0; i < step.logit_rows.size(); ++i)
    write_logits(hashes[static_cast<size_t>(step.logit_rows[i])],
                 output.logits + static_cast<int64_t>(i) * spec_.vocab);
}

void FakeModel::write_logits(uint64_t hash, float* out) const {
  for (int64_t v = 0; v < spec_.vocab; ++v) {
    const uint64_t bits = mix(hash + static_cast<uint64_t>(v)) >> 40;
    out[v] = poison != 0.0f ? poison : static_cast<float>(bits) * 0x1p-24f * 8.0f - 4.0f;
    if (perturbation != 0.0f) out[v] += static_cast<float>(mix(bits) >> 40) * 0x1p-24f * perturbation;
  }
}

std::vector<float> FakeModel::logits(const std::vector<int32_t>& tokens) const {
  uint64_t hash = 0;
  for (const int32_t token : tokens) hash = absorb(hash, token);
  std::vector<float> out(static_cast<size_t>(spec_.vocab));
  write_logits(hash, out.data());
  return out;
}

ops::Backend& no_backend() {
  static NoBackend backend;
  return backend;
}

Result<std::vector<int32_t>> FakeCodec::encode(const engine::Prompt& prompt) const {
  const auto* text = std::get_if<engine::TextPrompt>(&prompt);
  if (!text) return RequestError{"no chat here", "messages"};
  std::vector<int32_t> ids;
  for (const char c : text->text) ids.push_back(static_cast<unsigned char>(c) % 97);
  return ids;
}

std::unique_ptr<engine::TextDecoder> FakeCodec::decoder(const engine::Prompt&, std::span<const int32_t>,
                                                        bool) const {
  return std::make_unique<FakeDecoder>(pieces_, tail_);
}

engine::Sink collect(Answer& answer) {
  return [&answer](engine::Event event) {
    EXPECT_FALSE(answer.ended()) << "an event after the end";
    if (auto* said = std::get_if<engine::AnswerEvent>(&event)) {
      answer.text += engine::said(*said);
      for (const engine::SampledToken& token : said->tokens) answer.ids.push_back(token.id);
      answer.events.push_back(std::move(*said));
    } else if (auto* finish = std::get_if<engine::FinishEvent>(&event)) {
      answer.finishes.push_back(std::move(*finish));
    } else if (auto* error = std::get_if<engine::ErrorEvent>(&event)) {
      answer.errors.push_back(std::move(*error));
    }
  };
}

std::vector<int32_t> expected(const FakeModel& model, const std::vector<int32_t>& prompt,
                              const engine::Sampling& sampling, int64_t count) {
  std::vector<int32_t> tokens = prompt, out;
  engine::Sampler sampler;
  engine::TokenHistory history;
  history.add_prompt(prompt);
  while (static_cast<int64_t>(out.size()) < count) {
    const std::vector<float> logits = model.logits(tokens);
    const auto token = sampler.sample({.sampling = sampling,
                                       .history = history,
                                       .logits = logits,
                                       .seed = sampling.seed.value_or(0),
                                       .position = static_cast<int64_t>(tokens.size())});
    tokens.push_back(token.value().id);
    out.push_back(token.value().id);
    history.add_sampled(token.value().id);
  }
  return out;
}

std::unique_ptr<engine::Engine> make_engine(FakeModel& model, const engine::Engine::Options& options,
                                            const engine::TextCodec* codec) {
  engine::Engine::Options fixed = options;
  fixed.step_seconds = 0;  // steps of the same rows on any machine
  auto made = engine::Engine::create(model, no_backend(), codec, fixed);
  if (!made) throw std::runtime_error(made.error().message);
  return std::move(made.value());
}

engine::Request greedy(std::vector<int32_t> prompt, int64_t count) {
  engine::Request request;
  request.prompt = engine::IdsPrompt{std::move(prompt)};
  request.sampling.temperature = 0.0;
  request.limits.max_tokens = count;
  return request;
}

std::vector<int32_t> random_prompt(uint64_t seed, int64_t count, int32_t vocab) {
  std::mt19937_64 random(seed);
  std::vector<int32_t> out;
  for (int64_t i = 0; i < count; ++i)
    out.push_back(static_cast<int32_t>(random() % static_cast<uint64_t>(vocab)));
  return out;
}

}  // namespace varve::test
