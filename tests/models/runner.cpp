#include "models/runner.h"

#include <algorithm>
#include <stdexcept>

#include "checkpoint/checkpoint.h"
#include "core/checked.h"
#include "core/json.h"
#include "family/resolve.h"
#include "kernels/backend.h"
#include "ops/kv_layout.h"

namespace varve::test {

Loaded load(const std::filesystem::path& path, const LoadOptions& options) {
  checkpoint::Checkpoint checkpoint = checkpoint::Checkpoint::open(path);
  if (!options.config.empty()) checkpoint.config = json::read_file(path / options.config);
  family::Resolved resolved = family::resolve(checkpoint, family::FamilyLibrary::builtin());
  Loaded loaded;
  loaded.pool = std::make_unique<ThreadPool>(options.threads);
  auto backend = kernels::make_backend(options.isa, options.precision, *loaded.pool);
  if (!backend) throw std::runtime_error(backend.error().message);
  loaded.backend = std::move(backend.value());
  loaded.model = nn::Model::load(resolved.spec, *resolved.weights, {.precision = options.precision});
  return loaded;
}

Sequence::Sequence(const nn::Model& model, int64_t limit)
    : page_bytes_(model.state().page_bytes),
      limit_(limit),
      memory_(static_cast<size_t>(divide_up(limit, ops::kPageTokens) * page_bytes_)),
      slot_(static_cast<size_t>(model.state().slot_bytes)) {}

void Sequence::add_to(nn::Step& step, std::span<const int32_t> ids) {
  const int64_t all = divide_up(limit_, ops::kPageTokens);
  const int64_t needed = divide_up(length_ + static_cast<int64_t>(ids.size()), ops::kPageTokens);
  while (static_cast<int64_t>(pages_.size()) < needed) {
    const int64_t place = all - 1 - static_cast<int64_t>(pages_.size());  // last page first
    pages_.push_back(memory_.data() + place * page_bytes_);
  }
  const auto begin = static_cast<int32_t>(step.tokens.size());
  step.slices.push_back({.begin = begin,
                         .count = static_cast<int32_t>(ids.size()),
                         .position = length_,
                         .limit = limit_,
                         .pages = pages_,
                         .slot = slot_.size() > 0 ? slot_.data() : nullptr});
  step.tokens.insert(step.tokens.end(), ids.begin(), ids.end());
  for (size_t r = 0; r < ids.size(); ++r) step.logit_rows.push_back(begin + static_cast<int32_t>(r));
  length_ += static_cast<int32_t>(ids.size());
}

std::vector<float> forward(const Loaded& loaded, const nn::Step& step) {
  std::vector<float> logits(step.logit_rows.size() * static_cast<size_t>(loaded.model->spec().vocab));
  loaded.model->forward(step, *loaded.backend, {.logits = logits.data()});
  return logits;
}

std::vector<float> logits_of(const Loaded& loaded, const std::vector<int32_t>& ids, int64_t chunk,
                             int64_t limit) {
  const auto size = static_cast<int64_t>(ids.size());
  Sequence sequence(*loaded.model, limit > 0 ? limit : size);
  std::vector<float> all;
  for (int64_t at = 0; at < size;) {
    const int64_t count = chunk > 0 ? std::min(chunk, size - at) : size;
    nn::Step step;
    sequence.add_to(step, std::span(ids).subspan(static_cast<size_t>(at), static_cast<size_t>(count)));
    const std::vector<float> part = forward(loaded, step);
    all.insert(all.end(), part.begin(), part.end());
    at += count;
  }
  return all;
}

std::vector<int32_t> greedy(const Loaded& loaded, const std::vector<int32_t>& prompt, int64_t count) {
  Sequence sequence(*loaded.model, static_cast<int64_t>(prompt.size()) + count);
  std::vector<int32_t> answer, next = prompt;
  const auto vocab = static_cast<size_t>(loaded.model->spec().vocab);
  while (static_cast<int64_t>(answer.size()) < count) {
    nn::Step step;
    sequence.add_to(step, next);
    const std::vector<float> logits = forward(loaded, step);
    const auto last = logits.end() - static_cast<ptrdiff_t>(vocab);
    answer.push_back(static_cast<int32_t>(std::max_element(last, logits.end()) - last));
    next = {answer.back()};
  }
  return answer;
}

}  // namespace varve::test
