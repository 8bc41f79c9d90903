#pragma once
// A model whose logits are a hash of all tokens it finds through its pages: a page that is lost, shared
// wrongly or overwritten changes the answer. With a slot it also keeps the hash as recurrent state and
// compares both. What every test of the engine runs on, with the oracle of what it must answer.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "nn/model.h"

namespace varve::test {

class FakeModel final : public nn::Model {
 public:
  struct Traits {
    int64_t vocab = 97;
    int64_t max_positions = 512;
    bool paged = true;
    bool recurrent = false;
  };
  FakeModel() : FakeModel(Traits{}) {}
  explicit FakeModel(const Traits& traits);

  const nn::ModelSpec& spec() const override { return spec_; }
  const nn::StateLayout& state() const override { return state_; }
  /// Two classes, so that sharing between them can be tested.
  int64_t position_class(int64_t limit) const override { return class_border > 0 && limit > class_border; }
  void forward(const nn::Step& step, ops::Backend& backend, const Output& output) override;

  /// The logits after `tokens`, without any pages.
  std::vector<float> logits(const std::vector<int32_t>& tokens) const;

  int64_t class_border = 0;
  int64_t rows_computed = 0;
  std::vector<nn::Step> steps;  // as they came, when `record`
  bool record = false;
  float poison = 0.0f;        // not 0: every logit of every row is this
  float perturbation = 0.0f;  // another model: how far its logits are from this one's at most

 private:
  void run_slice(const nn::Step& step, const nn::Step::Slice& slice, std::vector<uint64_t>& hashes);
  void write_logits(uint64_t hash, float* out) const;

  nn::ModelSpec spec_;
  nn::StateLayout state_;
};

/// A backend for models that use none: any op is a failure.
ops::Backend& no_backend();

/// Token i is pieces[i], for any bytes; an answer's end adds `tail`, as an unfinished character would.
class FakeCodec final : public engine::TextCodec {
 public:
  explicit FakeCodec(std::vector<std::string> pieces, std::string tail = {})
      : pieces_(std::move(pieces)), tail_(std::move(tail)) {}
  Result<std::vector<int32_t>> encode(const engine::Prompt& prompt) const override;
  std::unique_ptr<engine::TextDecoder> decoder(const engine::Prompt& prompt, std::span<const int32_t> ids,
                                               bool markers) const override;

 private:
  std::vector<std::string> pieces_;
  std::string tail_;
};

/// All that one request was answered.
struct Answer {
  std::string text;
  std::vector<int32_t> ids;
  std::vector<engine::AnswerEvent> events;
  std::vector<engine::FinishEvent> finishes;
  std::vector<engine::ErrorEvent> errors;
  bool ended() const { return finishes.size() + errors.size() == 1; }
  const engine::FinishEvent& finish() const { return finishes.at(0); }
};

/// A sink that writes into `answer`, which must outlive the request.
engine::Sink collect(Answer& answer);

/// The answer that the request must get, from the model's hash and a sampler alone.
std::vector<int32_t> expected(const FakeModel& model, const std::vector<int32_t>& prompt,
                              const engine::Sampling& sampling, int64_t count);

std::unique_ptr<engine::Engine> make_engine(FakeModel& model, const engine::Engine::Options& options,
                                            const engine::TextCodec* codec = nullptr);

/// A request for a greedy answer of `count` tokens to token ids.
engine::Request greedy(std::vector<int32_t> prompt, int64_t count);

/// `count` tokens that depend on `seed` alone.
std::vector<int32_t> random_prompt(uint64_t seed, int64_t count, int32_t vocab = 97);

}  // namespace varve::test
