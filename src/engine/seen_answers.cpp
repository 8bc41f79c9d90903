#include "engine/seen_answers.h"

#include <algorithm>
#include <iterator>
#include <random>

namespace varve::engine {

namespace {

/// The finaliser of SplitMix64: every bit of the input changes half of the output's.
uint64_t mixed(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

uint64_t random_word(std::random_device& device) { return (uint64_t{device()} << 32) | device(); }

/// The bytes of tokens in a row, one token at a time.
class Spelling {
 public:
  Spelling(std::span<const int32_t> ids, const TextCodec& codec) : ids_(ids), codec_(codec) {}

  size_t taken() const { return taken_; }
  /// All bytes of the tokens that were taken have been used.
  bool between_tokens() const { return rest_.empty(); }
  bool at_end() const { return between_tokens() && taken_ == ids_.size(); }
  int32_t next() const { return ids_[taken_]; }
  bool next_is_opaque() const { return codec_.is_control(next()) || codec_.bytes(next()).empty(); }
  void take() {
    bytes_ = codec_.bytes(next());
    rest_ = bytes_;
    ++taken_;
  }
  void skip() { ++taken_; }
  std::string_view rest() const { return rest_; }
  void use(size_t count) { rest_.remove_prefix(count); }

 private:
  std::span<const int32_t> ids_;
  const TextCodec& codec_;
  size_t taken_ = 0;
  std::string bytes_;
  std::string_view rest_;
};

}  // namespace

Overlap overlap(std::span<const int32_t> prompt, std::span<const int32_t> answer, const TextCodec& codec) {
  Overlap most;
  Spelling a(prompt, codec), b(answer, codec);
  for (;;) {
    if (a.between_tokens() && b.between_tokens()) {
      most = {a.taken(), b.taken()};
      if (a.at_end() || b.at_end()) return most;
      if (a.next() == b.next()) {
        a.skip();
        b.skip();
        continue;
      }
    }
    for (Spelling* side : {&a, &b}) {
      if (!side->between_tokens()) continue;
      if (side->at_end() || side->next_is_opaque()) return most;
      side->take();
    }
    const size_t count = std::min(a.rest().size(), b.rest().size());
    if (a.rest().substr(0, count) != b.rest().substr(0, count)) return most;
    a.use(count);
    b.use(count);
  }
}

void SeenAnswers::Place::add(int32_t id) {
  const auto word = static_cast<uint64_t>(static_cast<uint32_t>(id)) + 1;
  a = mixed(a + word * 0x9e3779b97f4a7c15);
  b = mixed((b ^ word) * 0xd1342543de82ef95 + a);
}

size_t SeenAnswers::Answer::bytes() const {
  constexpr size_t kNodes = 160;  // of the list and the table
  return sizeof(Answer) + kNodes + ids.capacity() * sizeof(int32_t);
}

SeenAnswers::SeenAnswers(size_t bytes)
    : most_(bytes), secret_([] {
        std::random_device device;
        return Place{random_word(device), random_word(device)};
      }()) {}

SeenAnswers::Place SeenAnswers::beginning(std::string_view name_space) const {
  Place place = secret_;
  for (const char c : name_space) place.add(static_cast<unsigned char>(c));
  place.add(-1);  // no byte and no token: names and tokens are not mistaken for each other
  return place;
}

void SeenAnswers::add(std::string_view name_space, std::span<const int32_t> before,
                      std::span<const int32_t> answer) {
  if (answer.empty()) return;
  Answer made{.place = beginning(name_space), .ids = {answer.begin(), answer.end()}};
  for (const int32_t id : before) made.place.add(id);
  const std::lock_guard lock(mutex_);
  std::vector<Answers::iterator>& here = places_[made.place];
  for (const auto known : here) {
    if (known->ids != made.ids) continue;
    answers_.splice(answers_.begin(), answers_, known);
    return;
  }
  bytes_ += made.bytes();
  answers_.push_front(std::move(made));
  here.push_back(answers_.begin());
  if (here.size() > kPerPlace) drop(here.front());
  while (bytes_ > most_) drop(std::prev(answers_.end()));
}

void SeenAnswers::drop(Answers::iterator answer) {
  const auto here = places_.find(answer->place);
  std::erase(here->second, answer);
  if (here->second.empty()) places_.erase(here);
  bytes_ -= answer->bytes();
  answers_.erase(answer);
}

std::vector<std::vector<int32_t>> SeenAnswers::at(const Place& place) const {
  std::vector<std::vector<int32_t>> out;
  const std::lock_guard lock(mutex_);
  const auto found = places_.find(place);
  if (found == places_.end()) return out;
  for (const auto answer : found->second) {
    answers_.splice(answers_.begin(), answers_, answer);
    out.push_back(answer->ids);
  }
  return out;
}

std::vector<int32_t> SeenAnswers::splice(std::string_view name_space, std::span<const int32_t> ids,
                                         const TextCodec& codec) const {
  std::vector<int32_t> out;
  out.reserve(ids.size());
  Place place = beginning(name_space);
  const auto push = [&](int32_t id) {
    out.push_back(id);
    place.add(id);
  };
  while (!ids.empty()) {
    Overlap best;
    std::vector<int32_t> answer;
    for (std::vector<int32_t>& candidate : at(place)) {
      const Overlap here = overlap(ids, candidate, codec);
      if (here.prompt <= best.prompt) continue;
      best = here;
      answer = std::move(candidate);
    }
    if (best.prompt == 0) best = {1, 1}, answer = {ids.front()};
    for (size_t i = 0; i < best.answer; ++i) push(answer[i]);
    ids = ids.subspan(best.prompt);
  }
  return out;
}

size_t SeenAnswers::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace varve::engine
