#include "text/syntax/call_sink.h"

#include <algorithm>

#include "text/syntax/match.h"

namespace varve::text::syntax {

bool CallSink::accepts(std::string_view name) const {
  constexpr size_t kMaxName = 128;
  const auto strange = [](char c) {
    return is_space(c) || static_cast<unsigned char>(c) < 0x20 ||
           std::string_view("<>\"'`{}[]()").find(c) != std::string_view::npos;
  };
  if (name.empty() || name.size() > kMaxName || std::any_of(name.begin(), name.end(), strange)) return false;
  return !only_offered_ || tool(name) != nullptr;
}

void CallSink::begin(std::string_view name, std::string_view id) {
  open_ = true;
  ToolStartPiece start{.index = index_, .name = std::string(name), .id = std::string(id)};
  if (!streaming_) {
    held_start_ = std::move(start);
    held_arguments_.clear();
    return;
  }
  out_->emplace_back(std::move(start));
  told_ = true;
}

void CallSink::arguments(std::string_view json) {
  if (json.empty()) return;
  if (!streaming_) {
    held_arguments_.append(json);
    return;
  }
  append_piece(*out_, ToolArgumentsPiece{.index = index_, .json_delta = std::string(json)});
  told_ = true;
}

void CallSink::end() {
  if (!streaming_) {
    out_->emplace_back(std::move(held_start_));
    append_piece(*out_, ToolArgumentsPiece{.index = index_, .json_delta = std::move(held_arguments_)});
    held_arguments_.clear();
  }
  out_->emplace_back(ToolEndPiece{.index = index_, .complete = true});
  ++index_;
  open_ = false;
  told_ = true;
}

void CallSink::abort() {
  if (!open_) return;
  open_ = false;
  if (!streaming_) return;
  out_->emplace_back(ToolEndPiece{.index = index_, .complete = false});
  ++index_;
}

}  // namespace varve::text::syntax
