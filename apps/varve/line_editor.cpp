#include "line_editor.h"

#include <histedit.h>
#include <langinfo.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstring>
#include <cwchar>
#include <optional>

#include "terminal.h"

namespace varve::app {

namespace {

/// A terminal that edits lines itself drops what a line has beyond this, without a word (Linux's n_tty).
constexpr size_t kCutLine = 4095;
constexpr int kHistory = 1000;  // lines
/// Encloses what a prompt has that takes no room on the screen.
constexpr wchar_t kInvisible = L'\1';

/// The C library's idea of characters, which the editing works with, must be UTF-8.
bool use_utf8() {
  const auto is_utf8 = [] { return std::strcmp(::nl_langinfo(CODESET), "UTF-8") == 0; };
  return (std::setlocale(LC_CTYPE, "") && is_utf8()) || std::setlocale(LC_CTYPE, "C.UTF-8");
}

std::wstring wide(const std::string& text) {
  std::wstring out(text.size(), L'\0');
  const size_t length = std::mbstowcs(out.data(), text.c_str(), out.size());
  out.resize(length == static_cast<size_t>(-1) ? 0 : length);
  return out;
}

std::string narrow(const wchar_t* text) {
  std::string out(std::wcslen(text) * 4, '\0');
  const size_t length = std::wcstombs(out.data(), text, out.size());
  out.resize(length == static_cast<size_t>(-1) ? 0 : length);
  return out;
}

}  // namespace

class LineEditor::Editing {
 public:
  /// Nothing where the terminal cannot do it.
  static std::unique_ptr<Editing> begin(const InterruptScope& interrupts) {
    if (!input_is_terminal() || !errors_take_escapes() || !use_utf8()) return nullptr;
    std::unique_ptr<Editing> out(new Editing(interrupts));
    return out->line_ && out->history_ ? std::move(out) : nullptr;
  }
  ~Editing() {
    if (line_) ::el_end(line_);
    if (history_) ::history_wend(history_);
  }
  Editing(const Editing&) = delete;
  Editing& operator=(const Editing&) = delete;

  /// Nothing at the end of input, and after Ctrl-C.
  std::optional<std::string> next(std::string_view prompt) {
    const std::string text(prompt), dimmed = dim(text);
    prompt_.clear();
    if (const size_t at = dimmed.find(text); dimmed != text && at != std::string::npos)
      prompt_ = kInvisible + wide(dimmed.substr(0, at)) + kInvisible + wide(text) + kInvisible +
                wide(dimmed.substr(at + text.size())) + kInvisible;
    else
      prompt_ = wide(text);
    // Before the prompt is shown: a key that answers it must not meet the terminal's own editing, which takes
    // Ctrl-D and the deleting keys for itself.
    ::el_wset(line_, EL_PREP_TERM, 1);
    int count = 0;
    const wchar_t* typed = ::el_wgets(line_, &count);
    if (!typed) return std::nullopt;
    std::string line = narrow(typed);
    while (line.ends_with('\n') || line.ends_with('\r')) line.pop_back();
    HistEventW event;
    if (line.find_first_not_of(" \t") != std::string::npos)
      ::history_w(history_, &event, H_ENTER, wide(line).c_str());
    return line;
  }

 private:
  explicit Editing(const InterruptScope& interrupts)
      : interrupts_(interrupts),
        line_(::el_init("varve", stdin, stderr, stderr)),
        history_(::history_winit()) {
    if (!line_ || !history_) return;
    HistEventW event;
    ::history_w(history_, &event, H_SETSIZE, kHistory);
    ::history_w(history_, &event, H_SETUNIQUE, 1);
    ::el_wset(line_, EL_CLIENTDATA, this);
    ::el_wset(line_, EL_HIST, ::history_w, history_);
    ::el_wset(line_, EL_EDITOR, L"emacs");
    ::el_wset(line_, EL_PROMPT_ESC, &Editing::prompt, kInvisible);
    ::el_wset(line_, EL_GETCFN, &Editing::read);
  }

  static Editing& of(EditLine* line) {
    void* self = nullptr;
    ::el_wget(line, EL_CLIENTDATA, &self);
    return *static_cast<Editing*>(self);
  }
  static wchar_t* prompt(EditLine* line) { return of(line).prompt_.data(); }

  /// One character: 1, or 0 at the end of input, or -1 after Ctrl-C. Bytes that are no UTF-8 are left out.
  static int read(EditLine* line, wchar_t* into) {
    const InterruptScope& interrupts = of(line).interrupts_;
    std::mbstate_t state{};
    for (;;) {
      if (!interrupts.wait_readable(STDIN_FILENO)) return -1;
      char byte = 0;
      const ssize_t got = ::read(STDIN_FILENO, &byte, 1);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return 0;
      const size_t used = std::mbrtowc(into, &byte, 1, &state);
      if (used == static_cast<size_t>(-1)) state = {};
      if (used <= 1) return 1;
    }
  }

  const InterruptScope& interrupts_;
  EditLine* line_;
  HistoryW* history_;
  std::wstring prompt_;
};

LineEditor::LineEditor(const InterruptScope& interrupts)
    : interrupts_(interrupts), editing_(Editing::begin(interrupts)) {}

LineEditor::~LineEditor() = default;

LineEditor::Outcome LineEditor::next(std::string_view prompt, std::string& line) {
  if (!editing_) {
    tell("{}", dim(prompt));
    std::fflush(stderr);
    return plain(line);
  }
  std::optional<std::string> typed = editing_->next(prompt);
  if (!typed) return interrupts_.pending() ? Outcome::interrupted : Outcome::end;
  line = std::move(*typed);
  return Outcome::line;
}

LineEditor::Outcome LineEditor::plain(std::string& line) {
  for (;;) {
    if (const size_t end = held_.find('\n'); end != std::string::npos) {
      line = held_.substr(0, end);
      held_.erase(0, end + 1);
      return line.size() < kCutLine || !input_is_terminal() ? Outcome::line : Outcome::cut;
    }
    if (!interrupts_.wait_readable(STDIN_FILENO)) {
      held_.clear();
      return Outcome::interrupted;
    }
    char block[4096];
    const ssize_t got = ::read(STDIN_FILENO, block, sizeof block);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      if (held_.empty()) return Outcome::end;
      line = std::exchange(held_, {});
      return Outcome::line;
    }
    held_.append(block, static_cast<size_t>(got));
  }
}

}  // namespace varve::app
