#pragma once
// An answer's pieces put together: what is sent where nobody streams.
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "engine/event.h"

namespace varve::http {

struct CollectedCall {
  std::string id;
  std::string name;
  std::string arguments;  // a JSON object; only its beginning when the call broke
  bool complete = false;
};
struct CollectedText {
  std::string text;
};
struct CollectedReasoning {
  std::string text;
};
using CollectedPart = std::variant<CollectedText, CollectedReasoning, CollectedCall>;

/// Parts in the order in which they were said; neighbours of one kind are one.
class Collected {
 public:
  /// `id`: what the client will know the call by; looked at for a ToolStartPiece alone.
  void add(const engine::Piece& piece, const std::string& id);
  const std::vector<CollectedPart>& parts() const { return parts_; }
  std::vector<CollectedPart>& parts() { return parts_; }

 private:
  std::vector<CollectedPart> parts_;
};

/// Ids of the calls of one answer: the model's own where it writes one that serves and that the answer does
/// not have yet, otherwise a random one with a prefix. A model that writes ids finds its own again in the
/// conversation that the client sends back.
class CallIds {
 public:
  explicit CallIds(std::string prefix) : prefix_(std::move(prefix)) {}
  std::string take(const std::string& written);

 private:
  std::string prefix_;
  std::vector<std::string> taken_;
};

/// Which calls an answer has, as far as it decides how the answer ends.
struct CallTally {
  bool any = false;
  bool broken = false;  // one of them, or the last was never ended
  bool open = false;

  void add(const engine::Piece& piece);
  /// The answer ended with calls for the client to run, all of them whole.
  bool to_run(engine::FinishReason reason) const {
    return reason == engine::FinishReason::stop && any && !broken && !open;
  }
};

}  // namespace varve::http
