#include "text/grammar.h"

#include "text/textkit_call.h"
#include "text/tokenizer.h"

namespace varve::text {

void Constraint::Free::operator()(tk_constraint* constraint) const { tk_constraint_free(constraint); }
void Grammars::Free::operator()(tk_grammars* grammars) const { tk_grammars_free(grammars); }

namespace {

Result<std::monostate> outcome(tk_status status, const Bytes& error) {
  if (status != TK_OK) return refused(error);
  return std::monostate{};
}

int32_t code(GrammarKind kind) {
  switch (kind) {
    case GrammarKind::json_schema:
      return TK_JSON_SCHEMA;
    case GrammarKind::regex:
      return TK_REGEX;
    case GrammarKind::lark:
      return TK_LARK;
    case GrammarKind::json_object:
      return TK_JSON_OBJECT;
  }
  return -1;
}

}  // namespace

size_t Constraint::mask_words() const { return tk_constraint_mask_words(handle_.get()); }

Result<std::monostate> Constraint::mask(std::span<uint32_t> words) {
  Bytes error;
  return outcome(tk_constraint_mask(handle_.get(), words.data(), words.size(), error.out()), error);
}

Result<std::monostate> Constraint::consume(int32_t id) {
  Bytes error;
  return outcome(tk_constraint_consume(handle_.get(), static_cast<uint32_t>(id), error.out()), error);
}

Result<std::monostate> Constraint::rollback(size_t count) {
  Bytes error;
  return outcome(tk_constraint_rollback(handle_.get(), count, error.out()), error);
}

std::pair<bool, bool> Constraint::state() const {
  bool stopped = true;
  bool accepting = false;
  Bytes error;
  // A constraint that has failed can go nowhere: stopped, not accepting.
  if (tk_constraint_state(handle_.get(), &stopped, &accepting, error.out()) != TK_OK) return {true, false};
  return {stopped, accepting};
}

bool Constraint::is_stopped() const { return state().first; }

bool Constraint::is_accepting() const { return state().second; }

Constraint Constraint::fork() const {
  tk_constraint* copy = nullptr;
  Bytes error;
  const tk_status status = tk_constraint_clone(handle_.get(), &copy, error.out());
  check(status == TK_OK, "a constraint can be copied");
  return Constraint(copy);
}

Grammars Grammars::create(const Tokenizer& tokenizer, int32_t vocab_size, std::span<const int32_t> end_ids) {
  const std::vector<uint32_t> ends = unsigned_ids(end_ids);
  tk_grammars* handle = nullptr;
  Bytes error;
  require(tk_grammars_new(tokenizer.handle(), static_cast<uint32_t>(vocab_size), ends.data(), ends.size(),
                          &handle, error.out()),
          error, "tokenizer");
  return Grammars(handle);
}

Result<Constraint> Grammars::compile(GrammarKind kind, std::string_view text) const {
  tk_constraint* handle = nullptr;
  Bytes error;
  if (tk_grammars_compile(handle_.get(), code(kind), borrow(text), &handle, error.out()) != TK_OK) {
    return refused(error, "grammar");
  }
  return Constraint(handle);
}

}  // namespace varve::text
