#pragma once
// Where a block of calls tells what it reads; it makes the pieces. With streaming, calls are told as they are
// written; without, each one when it is complete, so that one that breaks has told nothing.
#include <string>
#include <string_view>
#include <vector>

#include "text/syntax/piece.h"
#include "text/syntax/tool_set.h"

namespace varve::text::syntax {

class CallSink {
 public:
  /// `tools` may be null: none is offered. `only_offered`: names of other tools are not accepted.
  CallSink(const ToolSet* tools, bool only_offered, bool streaming)
      : tools_(tools), only_offered_(only_offered), streaming_(streaming) {}

  /// Where pieces go from now on.
  void attach(std::vector<Piece>& out) { out_ = &out; }

  /// Whether a call of this name may begin. Names are 1 to 128 bytes without white space, quotes or angle
  /// brackets.
  bool accepts(std::string_view name) const;
  /// The tool as it was offered, or null.
  const Tool* tool(std::string_view name) const { return tools_ ? tools_->find(name) : nullptr; }

  void begin(std::string_view name, std::string_view id);
  void arguments(std::string_view json);
  void end();
  /// The open call breaks off, if there is one.
  void abort();
  bool is_open() const { return open_; }

  /// Since the last question something was told that stands for all text read so far.
  bool take_told() { return std::exchange(told_, false); }

 private:
  const ToolSet* tools_;
  bool only_offered_;
  bool streaming_;
  std::vector<Piece>* out_ = nullptr;
  int index_ = 0;
  bool open_ = false;
  bool told_ = false;
  ToolStartPiece held_start_;
  std::string held_arguments_;
};

}  // namespace varve::text::syntax
