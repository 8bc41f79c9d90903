#pragma once
// A model that watches another: whatever engine, batch, chunks or threads it is run with, the logits after
// the same tokens must always be the same bits.
#include <cstring>
#include <map>
#include <vector>

#include <gtest/gtest.h>

#include "nn/model.h"

namespace varve::test {

/// What any run saw: tokens -> the bits of the logits after them.
class Testimony {
 public:
  void add(const std::vector<int32_t>& tokens, const float* logits, int64_t vocab) {
    std::vector<uint32_t> bits(static_cast<size_t>(vocab));
    std::memcpy(bits.data(), logits, bits.size() * sizeof(float));
    const auto [seen, fresh] = seen_.try_emplace(tokens, bits);
    if (fresh) return;
    ++compared_;
    EXPECT_EQ(seen->second, bits) << "other logits after " << tokens.size() << " tokens";
  }
  int64_t compared() const { return compared_; }

 private:
  std::map<std::vector<int32_t>, std::vector<uint32_t>> seen_;
  int64_t compared_ = 0;
};

class Witness final : public nn::Model {
 public:
  Witness(nn::Model& model, Testimony& testimony) : model_(model), testimony_(testimony) {}
  const nn::ModelSpec& spec() const override { return model_.spec(); }
  const nn::StateLayout& state() const override { return model_.state(); }
  int64_t position_class(int64_t limit) const override { return model_.position_class(limit); }
  void forward(const nn::Step& step, ops::Backend& backend, const Output& output) override {
    model_.forward(step, backend, output);
    size_t row = 0;
    for (const nn::Step::Slice& slice : step.slices) {
      std::vector<int32_t>& tokens = histories_[slice.pages.front()];  // a sequence's first page names it
      tokens.resize(static_cast<size_t>(slice.position));
      for (int32_t i = slice.begin; i < slice.begin + slice.count; ++i) {
        tokens.push_back(step.tokens[static_cast<size_t>(i)]);
        if (row == step.logit_rows.size() || step.logit_rows[row] != i) continue;
        testimony_.add(tokens, output.logits + static_cast<int64_t>(row) * spec().vocab, spec().vocab);
        ++row;
      }
    }
    EXPECT_EQ(row, step.logit_rows.size());
  }

 private:
  nn::Model& model_;
  Testimony& testimony_;
  std::map<const std::byte*, std::vector<int32_t>> histories_;
};

}  // namespace varve::test
