#include "text/syntax/channels.h"

#include <algorithm>

#include "text/syntax/call_sink.h"
#include "text/syntax/json_scanner.h"
#include "text/syntax/match.h"
#include "text/syntax/tag_scanner.h"

namespace varve::text::syntax {

namespace {

constexpr size_t kMaxHeader = 512;
constexpr std::string_view kStart = "<|start|>";
constexpr std::string_view kChannel = "<|channel|>";
constexpr std::string_view kMessage = "<|message|>";

/// What a header says: "assistant<|channel|>commentary to=functions.f <|constrain|>json".
struct Header {
  std::string_view channel;
  std::string_view tool;  // the recipient without its namespace
};

Header read_header(std::string_view text) {
  const auto word_behind = [&](std::string_view mark) {
    const size_t at = text.find(mark);
    if (at == std::string_view::npos) return std::string_view();
    const std::string_view rest = text.substr(at + mark.size());
    const auto ends = [](char c) { return is_space(c) || c == '<'; };
    return rest.substr(0, static_cast<size_t>(std::find_if(rest.begin(), rest.end(), ends) - rest.begin()));
  };
  Header header{.channel = word_behind(kChannel), .tool = word_behind("to=")};
  constexpr std::string_view kNamespace = "functions.";
  if (match(header.tool, kNamespace) == Match::yes) header.tool.remove_prefix(kNamespace.size());
  return header;
}

class ChannelReader final : public AnswerReader {
 public:
  explicit ChannelReader(const ReadOptions& options)
      : sink_(options.tools, options.only_offered, options.stream_arguments) {}

  void push(std::string_view text, std::vector<Piece>& out) override {
    pending_.append(text);
    run(false, out);
  }

  void finish(std::vector<Piece>& out) override {
    run(true, out);
    sink_.abort();
    // A header without a message.
    append_piece(out, TextPiece{std::move(raw_)});
    raw_.clear();
  }

  bool in_thought() const override { return state_ == State::thought; }

  /// Whatever its header looked like, it is the call of that tool.
  std::string open_call() const override {
    if (state_ != State::call_begin) return {};
    return "<|channel|>commentary to=functions." + name_ + " <|constrain|>json<|message|>" + pending_;
  }

 private:
  enum class State { begin, between, header, thought, text, call_begin, arguments, after_call };
  struct Turn {
    size_t used = 0;
    bool waits = false;
  };

  void run(bool last, std::vector<Piece>& out) {
    sink_.attach(out);
    size_t at = 0;
    while (true) {
      const Turn turn = take(std::string_view(pending_).substr(at), last, out);
      at += turn.used;
      if (turn.waits) break;
    }
    pending_.erase(0, at);
  }

  Turn take(std::string_view text, bool last, std::vector<Piece>& out) {
    switch (state_) {
      case State::begin:
        return begin(text, last);
      case State::between:
        return between(text, last);
      case State::header:
        return header(text, last, out);
      case State::thought:
      case State::text:
        return content(text, last, out);
      case State::call_begin:
        return call_begin(text, last, out);
      case State::arguments:
        return arguments(text, last, out);
      case State::after_call:
        break;
    }
    // Nothing but the end of the message should follow a call.
    const size_t spaces = skip_space(text);
    if (spaces < text.size()) state_ = State::text;
    return {.used = spaces, .waits = spaces == text.size()};
  }

  /// The answer begins inside a header; a model that writes none writes text.
  Turn begin(std::string_view text, bool last) {
    const std::string_view solid = text.substr(skip_space(text));
    Match best = Match::no;
    for (const std::string_view mark : {"<|", "to=", "assistant"}) best = std::max(best, match(solid, mark));
    if (best == Match::cut && !last) return {.used = 0, .waits = true};
    state_ = best == Match::yes ? State::header : State::text;
    return {.used = 0, .waits = false};
  }

  /// Behind a message comes a header; text that stands there is text.
  Turn between(std::string_view text, bool last) {
    const Match start = match(text, kStart);
    const Match best = std::max(start, match(text, kChannel));
    if (best == Match::cut && !last) return {.used = 0, .waits = true};
    if (text.empty()) return {.used = 0, .waits = true};
    state_ = best == Match::yes ? State::header : State::text;
    const size_t used = start == Match::yes ? kStart.size() : 0;
    raw_.append(text.substr(0, used));
    return {.used = used, .waits = false};
  }

  Turn header(std::string_view text, bool last, std::vector<Piece>& out) {
    const std::string_view near = text.substr(0, kMaxHeader - raw_.size());
    const TagScanner::Found found = header_ends_.find(near, last && near.size() == text.size());
    raw_.append(near.substr(0, found.at));
    const bool too_long = near.size() < text.size() || raw_.size() == kMaxHeader;
    if (found.tag < 0 && !too_long) return {.used = found.at, .waits = true};
    if (found.tag != 0) {  // no message: what was read is text
      append_piece(out, TextPiece{std::move(raw_)});
      raw_.clear();
      state_ = State::text;
      return {.used = found.at, .waits = false};
    }
    const Header header = read_header(raw_);
    name_ = header.tool;
    if (sink_.accepts(name_)) {
      state_ = State::call_begin;
      raw_.append(kMessage);
    } else if (!name_.empty() && header.channel != "analysis") {
      append_piece(out, TextPiece{raw_ + std::string(kMessage)});
      raw_.clear();
      state_ = State::text;
    } else {
      raw_.clear();
      state_ = header.channel == "analysis" ? State::thought : State::text;
    }
    return {.used = found.at + kMessage.size(), .waits = false};
  }

  Turn content(std::string_view text, bool last, std::vector<Piece>& out) {
    const TagScanner::Found found = content_ends_.find(text, last);
    const std::string said(text.substr(0, found.at));
    if (state_ == State::thought) {
      append_piece(out, ReasoningPiece{said});
    } else {
      append_piece(out, TextPiece{said});
    }
    if (found.tag < 0) return {.used = found.at, .waits = true};
    return {.used = found.at + end_message(found.tag), .waits = false};
  }

  /// The bytes of the tag that are used up: the next header's own stay.
  size_t end_message(int tag) {
    state_ = State::between;
    const std::string& text = content_ends_.tag(tag);
    return text == kStart || text == kChannel ? 0 : text.size();
  }

  Turn call_begin(std::string_view text, bool last, std::vector<Piece>& out) {
    const size_t spaces = skip_space(text);
    if (spaces > 0) {
      raw_.append(text.substr(0, spaces));
      return {.used = spaces, .waits = false};
    }
    if (text.empty() && !last) return {.used = 0, .waits = true};
    if (!text.empty() && text[0] == '{') {
      sink_.begin(name_, "");
      scanner_ = JsonScanner();
      state_ = State::arguments;
      return {.used = 0, .waits = false};
    }
    const TagScanner::Found found = content_ends_.find(text, last);
    if (found.at == 0 && found.tag < 0 && !text.empty()) return {.used = 0, .waits = true};
    if (found.at == 0 && found.tag >= 0) {  // no arguments at all
      sink_.begin(name_, "");
      sink_.arguments("{}");
      sink_.end();
      raw_.clear();
      return {.used = end_message(found.tag), .waits = false};
    }
    append_piece(out, TextPiece{std::move(raw_)});
    raw_.clear();
    state_ = State::text;
    return {.used = 0, .waits = false};
  }

  Turn arguments(std::string_view text, bool last, std::vector<Piece>& out) {
    std::string json;
    const JsonScanner::Step scan = scanner_.scan(text, last, json);
    sink_.arguments(json);
    if (sink_.take_told()) {
      raw_.clear();
    } else {
      raw_.append(text.substr(0, scan.used));
    }
    if (scan.status == JsonScanner::Status::more) return {.used = scan.used, .waits = true};
    if (scan.status == JsonScanner::Status::done) {
      sink_.end();
      raw_.clear();
      state_ = State::after_call;
      return {.used = scan.used, .waits = false};
    }
    sink_.abort();
    append_piece(out, TextPiece{std::move(raw_)});
    raw_.clear();
    state_ = State::text;
    return {.used = scan.used, .waits = false};
  }

  const TagScanner header_ends_{{"<|message|>", "<|end|>", "<|return|>", "<|call|>", "<|start|>"}};
  const TagScanner content_ends_{{"<|end|>", "<|return|>", "<|call|>", "<|start|>", "<|channel|>"}};
  CallSink sink_;
  State state_ = State::begin;
  std::string pending_;
  std::string raw_;  // read and not told: a header, or a call
  std::string name_;
  JsonScanner scanner_;
};

}  // namespace

std::unique_ptr<AnswerReader> channel_reader(const ReadOptions& options) {
  return std::make_unique<ChannelReader>(options);
}

}  // namespace varve::text::syntax
