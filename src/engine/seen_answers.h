#pragma once
// The tokens of earlier answers, so that a conversation that comes back with them as text becomes the same
// tokens again. A model need not choose the tokens that a tokenizer would make of its text; re-tokenised, an
// answer would differ from what was computed, and everything after it would be computed anew.
//
// Where an answer began, and the prompt goes on with the very bytes of its first tokens, those tokens take
// the place of the prompt's, as far as both end at the same byte. So the text of a prompt never changes, and
// whether anything is remembered changes no more than how it is cut into tokens. Control tokens, which have
// no text of their own, must be the same on both sides.
//
// Any number of threads.
#include <cstdint>
#include <list>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/text.h"

namespace varve::engine {

class SeenAnswers {
 public:
  static constexpr size_t kBytes = size_t{16} << 20;
  static constexpr size_t kPerPlace = 8;  // answers to the same tokens

  /// What is beyond `bytes` makes way, the longest unused first.
  explicit SeenAnswers(size_t bytes = kBytes);

  /// `answer` was sampled after `before`, without its stop token. Only seen under the same name.
  void add(std::string_view name_space, std::span<const int32_t> before, std::span<const int32_t> answer);

  /// A prompt's ids with the tokens of earlier answers in their places.
  std::vector<int32_t> splice(std::string_view name_space, std::span<const int32_t> ids,
                              const TextCodec& codec) const;

  /// Held now.
  size_t bytes() const;

 private:
  /// All tokens up to a place, under a secret of this process. 128 bits: two places with the same name do not
  /// happen, and if they did, only tokens that spell the same would be exchanged.
  struct Place {
    uint64_t a = 0, b = 0;
    bool operator==(const Place&) const = default;
    void add(int32_t id);
  };
  struct Hash {
    size_t operator()(const Place& place) const { return place.a; }
  };
  struct Answer {
    Place place;
    std::vector<int32_t> ids;
    size_t bytes() const;
  };
  using Answers = std::list<Answer>;

  Place beginning(std::string_view name_space) const;
  std::vector<std::vector<int32_t>> at(const Place& place) const;
  void drop(Answers::iterator answer);

  const size_t most_;
  const Place secret_;
  mutable std::mutex mutex_;
  mutable Answers answers_;  // latest used first
  std::unordered_map<Place, std::vector<Answers::iterator>, Hash> places_;
  size_t bytes_ = 0;
};

/// Tokens of a prompt, and of an answer, that spell the same and end at the same byte: the most there are.
struct Overlap {
  size_t prompt = 0;
  size_t answer = 0;
};
Overlap overlap(std::span<const int32_t> prompt, std::span<const int32_t> answer, const TextCodec& codec);

}  // namespace varve::engine
