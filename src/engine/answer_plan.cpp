#include "engine/answer_plan.h"

#include <algorithm>
#include <utility>

#include "engine/thinking.h"
#include "text/syntax/tool_grammar.h"

namespace varve::engine {

namespace {

using text::syntax::GrammarRequest;
using text::syntax::SyntaxChoice;
using Opening = AnswerGuide::Opening;
using Plan = AnswerGuide::Plan;

/// Every call of this model begins with a marker, so that text that begins like one is one. A bracket is
/// none: an answer may begin with it.
bool marks_calls(const SyntaxChoice& syntax) {
  if (has_channels(syntax)) return true;
  const auto& openers = syntax.tools->openers;
  return !openers.empty() && !syntax.tools->begins_open &&
         std::none_of(openers.begin(), openers.end(),
                      [](const auto& opener) { return opener.text.size() == 1; });
}

class Planner {
 public:
  Planner(const AnswerWish& wish, const TextCodec& codec, GrammarCache& grammars)
      : request_(wish.request),
        form_(wish.request.form),
        tools_(wish.tools),
        in_thought_(wish.in_thought),
        syntax_(codec.syntax()->choice),
        tokenizer_(*codec.vocabulary()),
        grammars_(grammars) {}

  Result<Plan> plan() {
    Plan plan;
    std::optional<RequestError> error;
    if (form_.grammar) {
      error = response(plan);
    } else if (requires_call()) {
      error = required_call(plan);
    } else if (may_call() && tools_.any_strict) {
      error = text_or_strict_call(plan);
    }
    if (error) return *error;
    if (request_.reasoning.budget) {
      plan.budget = request_.reasoning.budget;
      plan.thought_end = ids_of(text::syntax::thought_end(syntax_, !requires_call()));
    }
    return plan;
  }

 private:
  bool requires_call() const { return form_.tools == AnswerForm::Tools::required; }
  bool may_call() const {
    return form_.read && form_.tools != AnswerForm::Tools::none && !tools_.all.empty();
  }

  std::vector<int32_t> ids_of(std::string_view text) const {
    auto ids = tokenizer_.encode(text, {.add_special = false, .parse_special = true});
    return ids ? std::move(ids.value()) : std::vector<int32_t>();
  }

  std::optional<RequestError> compile(text::GrammarKind kind, const std::string& text, const char* field,
                                      std::optional<text::Constraint>& out) {
    auto compiled = grammars_.get(kind, text);
    if (!compiled) return RequestError{compiled.error().message, field};
    out = std::move(compiled.value());
    return std::nullopt;
  }

  std::optional<RequestError> response(Plan& plan) {
    if (requires_call())
      return RequestError{"an answer that is a call and matches a grammar cannot be had: choose one",
                          "tool_choice"};
    if (auto error = compile(form_.grammar->kind, form_.grammar->text, "grammar", plan.grammar)) return error;
    if (!form_.read) return std::nullopt;
    if (has_channels(syntax_)) {
      if (may_call()) return no_mix();
      return compile(text::GrammarKind::lark, text::syntax::answer_head(syntax_, tokenizer_.added_tokens()),
                     "grammar", plan.head);
    }
    open_before(plan);
    if (!may_call()) return std::nullopt;
    if (!marks_calls(syntax_)) return no_mix();
    for (const auto& opener : syntax_.tools->openers) add_opening(plan, opener.text, Opening::Kind::call);
    return tools_.any_strict ? strict_call(plan.call_grammar, false) : std::nullopt;
  }

  static RequestError no_mix() {
    return {
        "with the way in which this model writes calls, an answer is held to a grammar or may call tools, "
        "not both: set tool_choice to none",
        "tool_choice"};
  }

  std::optional<RequestError> required_call(Plan& plan) {
    const bool channels = has_channels(syntax_);
    // A thought of tags is free until it ends; one of channels is part of the grammar.
    const auto thought = channels ? GrammarRequest::Thought::may : GrammarRequest::Thought::none;
    auto grammar = text::syntax::tool_grammar(syntax_, {.tools = &tools_.all,
                                                        .named = form_.named_tool,
                                                        .parallel = form_.parallel_tools,
                                                        .thought = thought,
                                                        .vocabulary = tokenizer_.added_tokens()});
    if (!grammar) return grammar.error();
    if (!channels && form_.read) open_before(plan);
    return compile(text::GrammarKind::lark, grammar.value(), "tools", plan.grammar);
  }

  /// Calls that a marker begins are held to the schemas from there on; where there is none, all of the answer
  /// is, so that text which begins like a call is one.
  std::optional<RequestError> text_or_strict_call(Plan& plan) {
    if (marks_calls(syntax_)) {
      plan.begin = AnswerGuide::Begin::at_call;
      return strict_call(plan.grammar, false);
    }
    open_before(plan);
    return strict_call(plan.grammar, true);
  }

  std::optional<RequestError> strict_call(std::optional<text::Constraint>& out, bool or_text) {
    auto grammar = text::syntax::tool_grammar(syntax_, {.tools = &tools_.all,
                                                        .named = {},
                                                        .parallel = form_.parallel_tools,
                                                        .optional = or_text,
                                                        .strict_alone = true,
                                                        .thought = GrammarRequest::Thought::none,
                                                        .vocabulary = tokenizer_.added_tokens()});
    if (!grammar) return grammar.error();
    return compile(text::GrammarKind::lark, grammar.value(), "tools", out);
  }

  /// What may stand before the answer proper: a thought, and markers around what follows it.
  void open_before(Plan& plan) {
    plan.end_ids = grammars_.end_ids();
    if (in_thought_) {
      plan.begin = AnswerGuide::Begin::after_thought;
    } else if (thinks(syntax_) && request_.reasoning.enabled != false) {
      for (const std::string& open : syntax_.reasoning->open) add_opening(plan, open, Opening::Kind::thought);
    }
    for (const std::string& open : syntax_.reasoning->answer_open)
      add_opening(plan, open, Opening::Kind::marker);
    if (!thinks(syntax_)) return;
    for (const char* space : {"\n", "\n\n", " "})
      if (const auto ids = ids_of(space); ids.size() == 1) plan.gap.push_back(ids.front());
  }

  void add_opening(Plan& plan, const std::string& text, Opening::Kind kind) {
    auto ids = ids_of(text);
    if (!ids.empty()) plan.opens.push_back({.ids = std::move(ids), .kind = kind});
  }

  const Request& request_;
  const AnswerForm& form_;
  const OfferedTools& tools_;
  const bool in_thought_;
  const SyntaxChoice& syntax_;
  const text::Tokenizer& tokenizer_;
  GrammarCache& grammars_;
};

}  // namespace

Result<Plan> plan_answer(const AnswerWish& wish, const TextCodec* codec, GrammarCache& grammars) {
  const AnswerForm& form = wish.request.form;
  const bool guided = form.grammar || form.tools == AnswerForm::Tools::required || wish.tools.any_strict ||
                      wish.request.reasoning.budget;
  if (!guided) return Plan{};
  if (codec && codec->syntax() && codec->vocabulary()) return Planner(wish, *codec, grammars).plan();
  return RequestError{"this model has no tokenizer: its answers cannot be held to a form",
                      form.grammar ? "grammar" : "tools"};
}

}  // namespace varve::engine
