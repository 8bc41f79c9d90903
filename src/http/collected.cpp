#include "http/collected.h"

#include <algorithm>
#include <cctype>

#include "http/stream_frames.h"

namespace varve::http {

namespace {

using namespace text::syntax;  // NOLINT: the pieces

template <class Part>
Part& last_or_new(std::vector<CollectedPart>& parts) {
  if (parts.empty() || !std::holds_alternative<Part>(parts.back())) parts.emplace_back(Part{});
  return std::get<Part>(parts.back());
}

CollectedCall* last_call(std::vector<CollectedPart>& parts) {
  for (auto part = parts.rbegin(); part != parts.rend(); ++part)
    if (auto* call = std::get_if<CollectedCall>(&*part)) return call;
  return nullptr;
}

bool serves(const std::string& id) {
  constexpr size_t kLongestId = 64;
  return !id.empty() && id.size() <= kLongestId && std::all_of(id.begin(), id.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '_' || c == '-' || c == '.' || c == ':';
  });
}

}  // namespace

void Collected::add(const engine::Piece& piece, const std::string& id) {
  if (const auto* text = std::get_if<TextPiece>(&piece)) {
    if (!text->text.empty()) last_or_new<CollectedText>(parts_).text += text->text;
  } else if (const auto* thought = std::get_if<ReasoningPiece>(&piece)) {
    if (!thought->text.empty()) last_or_new<CollectedReasoning>(parts_).text += thought->text;
  } else if (const auto* start = std::get_if<ToolStartPiece>(&piece)) {
    parts_.emplace_back(CollectedCall{.id = id, .name = start->name, .arguments = {}});
  } else if (CollectedCall* call = last_call(parts_)) {
    if (const auto* more = std::get_if<ToolArgumentsPiece>(&piece)) call->arguments += more->json_delta;
    if (const auto* end = std::get_if<ToolEndPiece>(&piece)) call->complete = end->complete;
  }
}

std::string CallIds::take(const std::string& written) {
  const bool fresh = std::find(taken_.begin(), taken_.end(), written) == taken_.end();
  std::string id = serves(written) && fresh ? written : random_id(prefix_);
  taken_.push_back(id);
  return id;
}

void CallTally::add(const engine::Piece& piece) {
  if (std::holds_alternative<ToolStartPiece>(piece)) any = open = true;
  if (const auto* end = std::get_if<ToolEndPiece>(&piece)) {
    open = false;
    broken = broken || !end->complete;
  }
}

}  // namespace varve::http
