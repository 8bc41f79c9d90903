#pragma once
// Lines that a person types: with cursor keys, a history and no limit on their length where standard input
// and standard error are a terminal that can do so, else as the terminal or pipe gives them.
#include <memory>
#include <string>
#include <string_view>

#include "interrupt.h"

namespace varve::app {

class LineEditor {
 public:
  enum class Outcome {
    line,
    cut,  // a terminal without our editing may have dropped the line's end
    end,
    interrupted,
  };
  /// Ctrl-C is what `interrupts` counts; it outlives the editor.
  explicit LineEditor(const InterruptScope& interrupts);
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  /// Shows `prompt` on standard error and gives the next line, without its newline.
  Outcome next(std::string_view prompt, std::string& line);

 private:
  class Editing;
  Outcome plain(std::string& line);

  const InterruptScope& interrupts_;
  std::unique_ptr<Editing> editing_;  // null where there is none
  std::string held_;                  // of plain input: what came behind the last line
};

}  // namespace varve::app
