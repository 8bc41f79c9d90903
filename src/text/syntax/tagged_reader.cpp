#include "text/syntax/tagged_reader.h"

#include "text/syntax/match.h"

namespace varve::text::syntax {

namespace {

template <class Tags>
std::vector<std::string> texts_of(const Tags& tags) {
  std::vector<std::string> texts;
  for (const auto& tag : tags) texts.push_back(tag.text);
  return texts;
}

}  // namespace

std::vector<TaggedReader::Tag> TaggedReader::text_tags(const SyntaxChoice& choice, bool has_tools) {
  std::vector<Tag> tags;
  const auto add = [&](const std::vector<std::string>& texts, Role role) {
    for (const std::string& text : texts) tags.push_back({.text = text, .role = role});
  };
  add(choice.reasoning->open, Role::open);
  add(choice.reasoning->close, Role::close);
  add(choice.reasoning->answer_open, Role::answer_open);
  add(choice.reasoning->answer_close, Role::answer_close);
  if (!has_tools) return tags;
  for (size_t i = 0; i < choice.tools->openers.size(); ++i) {
    tags.push_back({.text = choice.tools->openers[i].text, .role = Role::opener, .opener = i});
  }
  return tags;
}

std::vector<TaggedReader::Tag> TaggedReader::thought_tags(const SyntaxChoice& choice, bool has_tools) {
  std::vector<Tag> tags;
  for (const std::string& text : choice.reasoning->close) tags.push_back({.text = text, .role = Role::close});
  if (has_tools && choice.tools->ends_thought) {
    tags.push_back({.text = choice.tools->openers.front().text, .role = Role::opener, .opener = 0});
  }
  return tags;
}

namespace {

bool reads_calls(const ReadOptions& options) {
  return !options.only_offered || (options.tools && !options.tools->empty());
}

}  // namespace

TaggedReader::TaggedReader(const SyntaxChoice& choice, const ReadOptions& options)
    : TurnReader(options),
      reasoning_(*choice.reasoning),
      tools_(*choice.tools),
      text_tags_(text_tags(choice, reads_calls(options))),
      thought_tags_(thought_tags(choice, reads_calls(options))),
      text_scanner_(texts_of(text_tags_)),
      thought_scanner_(texts_of(thought_tags_)) {
  if (options.in_thought && !reasoning_.close.empty()) {
    mode_ = Mode::thought;
    thought_.marker();
  } else if (tools_.begins_open && reads_calls(options)) {
    begin_block(0);
    raw_.clear();  // the opener is the prompt's
  }
}

void TaggedReader::say_rest(std::vector<Piece>& out) {
  thought_.flush(out);
  text_.flush(out);
}

TaggedReader::Turn TaggedReader::turn(std::string_view text, bool last, std::vector<Piece>& out) {
  switch (mode_) {
    case Mode::text:
      return text_turn(text, last, out);
    case Mode::thought:
      return thought_turn(text, last, out);
    case Mode::block:
      break;
  }
  return block_turn(text, last, out);
}

TaggedReader::Turn TaggedReader::text_turn(std::string_view text, bool last, std::vector<Piece>& out) {
  const TagScanner::Found found = text_scanner_.find(text, last);
  text_.say(text.substr(0, found.at), out);
  if (!text_.is_blank()) answer_is_near_ = false;
  if (found.tag < 0) return {.used = found.at, .waits = true};
  const Tag& tag = text_tags_[static_cast<size_t>(found.tag)];
  if (!counts(tag)) {
    text_.say(tag.text, out);
    return {.used = found.at + tag.text.size(), .waits = false};
  }
  take(tag);
  const bool stays = tag.role == Role::opener && opener_->bare;
  return {.used = found.at + (stays ? 0 : tag.text.size()), .waits = false};
}

bool TaggedReader::counts(const Tag& tag) const {
  switch (tag.role) {
    case Role::open:
      return reasoning_.anywhere || text_.is_blank();
    case Role::close:  // of an empty thought that the prompt began
      return text_.is_blank();
    case Role::answer_open:
      return reasoning_.anywhere ? text_.is_blank() : answer_is_near_;
    case Role::answer_close:
      return answer_is_marked_ || reasoning_.answer_open.empty();
    case Role::opener:
      return !tools_.openers[tag.opener].at_line_start || text_.at_line_start();
  }
  return false;
}

void TaggedReader::take(const Tag& tag) {
  switch (tag.role) {
    case Role::open:
      mode_ = Mode::thought;
      text_.marker();
      thought_.marker();
      break;
    case Role::close:
      mode_ = Mode::text;
      answer_is_near_ = true;
      thought_.marker();
      text_.marker();
      break;
    case Role::answer_open:
    case Role::answer_close:
      answer_is_marked_ = tag.role == Role::answer_open;
      answer_is_near_ = false;
      text_.marker();
      break;
    case Role::opener:
      begin_block(tag.opener);
      break;
  }
}

TaggedReader::Turn TaggedReader::thought_turn(std::string_view text, bool last, std::vector<Piece>& out) {
  const TagScanner::Found found = thought_scanner_.find(text, last);
  thought_.say(text.substr(0, found.at), out);
  if (found.tag < 0) return {.used = found.at, .waits = true};
  const Tag& tag = thought_tags_[static_cast<size_t>(found.tag)];
  thought_.marker();
  take(tag);
  return {.used = found.at + tag.text.size(), .waits = false};
}

void TaggedReader::begin_block(size_t opener) {
  mode_ = Mode::block;
  opener_ = &tools_.openers[opener];
  block_.reset();
  raw_ = opener_->bare ? std::string() : opener_->text;
  told_ = false;
}

TaggedReader::Turn TaggedReader::block_turn(std::string_view text, bool last, std::vector<Piece>& out) {
  if (!block_) {
    if (const size_t spaces = skip_space(text); spaces > 0) {
      raw_.append(text.substr(0, spaces));
      return {.used = spaces, .waits = false};
    }
    // Some models write the marker twice.
    const Match again = opener_->bare ? Match::no : match(text, opener_->text);
    if (again == Match::yes) {
      raw_.append(opener_->text);
      return {.used = opener_->text.size(), .waits = false};
    }
    bool undecided = again == Match::cut;
    if (!undecided) block_ = make_block(tools_, text, last, undecided);
    if (undecided && !last) return {.used = 0, .waits = true};
    if (!block_) return {.used = give_back(text, out), .waits = false};
  }
  const Block::Step step = block_->step(text, last, sink_);
  if (sink_.take_told()) {
    if (!told_) text_.marker();
    told_ = true;
    raw_.clear();
  } else {
    raw_.append(text.substr(0, step.used));
  }
  switch (step.status) {
    case Block::Status::settled:
      raw_.clear();
      return {.used = step.used, .waits = false};
    case Block::Status::going:
      return {.used = step.used, .waits = false};
    case Block::Status::more:
      if (!last) return {.used = step.used, .waits = true};
      break;
    case Block::Status::done:
      if (!told_) break;
      end_block();
      return {.used = step.used, .waits = false};
    case Block::Status::plain:
      end_block();
      return {.used = step.used, .waits = false};
    case Block::Status::failed:
      break;
  }
  return {.used = step.used + give_back(text.substr(step.used), out), .waits = false};
}

void TaggedReader::end_block() {
  text_.marker();
  raw_.clear();
  block_.reset();
  mode_ = Mode::text;
}

size_t TaggedReader::give_back(std::string_view text, std::vector<Piece>& out) {
  sink_.abort();
  size_t used = 0;
  // A bare opener is still there; as text it must not begin the same block again.
  if (opener_->bare && raw_.empty() && !told_) {
    used = opener_->text.size();
    raw_ = text.substr(0, used);
  }
  text_.say(raw_, out);
  raw_.clear();
  block_.reset();
  mode_ = Mode::text;
  return used;
}

}  // namespace varve::text::syntax
