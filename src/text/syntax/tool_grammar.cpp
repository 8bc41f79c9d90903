#include "text/syntax/tool_grammar.h"

#include "text/syntax/json_text.h"
#include "text/syntax/value_grammar.h"

namespace varve::text::syntax {

namespace {

constexpr const char* kParameterName = "/[A-Za-z_][A-Za-z0-9_]{0,63}/";

/// Calls as an expression, and what is left of it behind the syntax's first opener.
struct Calls {
  std::string whole;
  std::string opened;
};

/// Writes the rules of each tool's call in one form.
class CallWriter {
 public:
  CallWriter(Lark& lark, const std::vector<const Tool*>& tools, const GrammarRequest& request,
             const ToolSyntax& syntax)
      : lark_(lark), tools_(tools), request_(request), syntax_(syntax) {}

  Calls operator()(const JsonForm& form) {
    const std::string call = any_call([&](const Tool& tool, const Value& schema) {
      std::string head = "{";
      if (form.name_is_key) return object(head + json_string(tool.name) + ": ", schema);
      std::string id;
      if (!form.id_key.empty()) {
        id = sequence({lark_.literal(head + json_string(form.id_key) + ": \""), "/[0-9]{1,3}/"});
        head = "\", ";
      }
      head += json_string(form.name_key) + ": " + json_string(tool.name) + ", " +
              json_string(form.arguments_key) + ": ";
      return sequence({id, object(head, schema)});
    });
    return arrange(call, {form.opening, form.between, form.closing, !form.list, form.space_behind_marker});
  }

  Calls operator()(const NamedForm& form) {
    const std::string call =
        any_call([&](const Tool& tool, const Value& schema) { return named(form, tool, schema); });
    return arrange(call, {form.opening, form.between, form.closing, !form.repeats});
  }

  Calls operator()(const TagForm& form) {
    const std::string call =
        any_call([&](const Tool& tool, const Value& schema) { return tagged(form, tool, schema); });
    return arrange(call, {form.opening, form.between, form.closing, form.separate_blocks});
  }

  Calls operator()(const PythonForm& form) {
    const std::string call = any_call([&](const Tool& tool, const Value& schema) {
      bool open = false;
      std::vector<Item> items;
      for (const Parameter& parameter : parameters_of(schema, schema, open)) {
        items.push_back({.expression = sequence({json_string(parameter.name + "="),
                                                 python_value(lark_, *parameter.schema, schema)}),
                         .required = parameter.required});
      }
      std::string arguments = separated(lark_, items, ", ");
      if (open) {
        const std::string item =
            lark_.rule("item", sequence({kParameterName, "\"=\"", lark_.json(Value(Table()), schema)}));
        arguments = "(" + item + " (\", \" " + item + ")*)?";
      }
      return sequence({json_string(tool.name + "("), arguments, "\")\""});
    });
    return arrange(call, {form.opening, form.between, form.closing, false});
  }

  // The token that ends the message ends the answer as well, so the grammar ends with the arguments.
  Calls operator()(const ChannelForm&) {
    const std::string call = any_call([&](const Tool& tool, const Value& schema) {
      const std::string head =
          "<|channel|>commentary to=functions." + tool.name + " <|constrain|>json<|message|>";
      return sequence({lark_.literal(head), lark_.json(schema, schema)});
    });
    return {.whole = call, .opened = {}};
  }

 private:
  struct Layout {
    const std::string& opening;
    const std::string& between;
    const std::string& closing;
    bool separate;  // each call has its own block
    bool spaces = false;
  };

  template <class Write>
  std::string any_call(Write write) {
    std::vector<std::string> calls;
    for (const Tool* tool : tools_) {
      const bool held = !request_.strict_alone || tool->strict;
      schemas_.push_back(std::make_unique<Value>(
          arguments_schema(held ? *tool : Tool{.name = tool->name, .parameters = {}})));
      calls.push_back(lark_.rule("call", write(*tool, *schemas_.back())));
    }
    return alternatives(calls);
  }

  Calls arrange(const std::string& call, const Layout& layout) {
    const std::string opening = lark_.literal(layout.opening, layout.spaces);
    const std::string between = lark_.literal(layout.between);
    const std::string closing = lark_.literal(layout.closing);
    std::string more;  // behind the first call, and behind the first block
    std::string blocks;
    if (request_.parallel && !layout.separate) more = "(" + sequence({between, call}) + ")*";
    if (request_.parallel && layout.separate)
      blocks = "(" + sequence({between, lark_.rule("block", sequence({opening, call, closing}))}) + ")*";
    const auto behind = [&](const std::string& begin) {
      return sequence({begin, call, more, closing, blocks});
    };
    return {.whole = behind(opening), .opened = opened(layout, behind)};
  }

  template <class Behind>
  std::string opened(const Layout& layout, const Behind& behind) {
    const std::string opener = syntax_.openers.empty() ? std::string() : syntax_.openers.front().text;
    if (!request_.optional || opener.empty() || !layout.opening.starts_with(opener)) return {};
    return behind(lark_.literal(layout.opening.substr(opener.size()), layout.spaces));
  }

  std::string object(const std::string& head, const Value& schema) {
    return sequence({lark_.literal(head), lark_.json(schema, schema), "\"}\""});
  }

  std::string named(const NamedForm& form, const Tool& tool, const Value& schema) {
    using Kind = Element::Kind;
    std::string out;
    const auto add = [&](const std::string& part) { out = sequence({out, part}); };
    for (size_t i = 0; i < form.elements.size(); ++i) {
      const Element& element = form.elements[i];
      switch (element.kind) {
        case Kind::marker:
        case Kind::may:
          add(lark_.literal(element.written));
          break;
        case Kind::name:
          add(form.indexed_names ? json_string("functions." + tool.name + ":") + " /[0-9]{1,3}/"
                                 : json_string(tool.name));
          add(lark_.literal(element.written));
          break;
        case Kind::id:
          if (!form.elements[i - 1].written.empty()) add("/[A-Za-z0-9]{9}/");
          break;
        case Kind::ignored:
          add("/[^<\\n]{1,64}/");
          break;
        case Kind::arguments:
          add(form.quote.empty() ? lark_.json(schema, schema)
                                 : bare_object(lark_, schema, schema, form.quote));
          break;
      }
    }
    return out;
  }

  std::string tagged(const TagForm& form, const Tool& tool, const Value& schema) {
    const std::string end = (form.values_on_lines ? "\n" : "") + form.value_close;
    const auto parameter = [&](const std::string& name, const Value& value, TagForm::Says says) {
      const std::string behind =
          mark_of(form, says) + form.before_value + form.value_open + (form.values_on_lines ? "\n" : "");
      return lark_.rule("parameter",
                        sequence({lark_.literal(form.before_parameter + form.parameter_open), name,
                                  lark_.literal(behind), plain_value(lark_, value, schema, end)}));
    };
    bool open = false;
    std::string parameters;
    for (const Parameter& one : parameters_of(schema, schema, open)) {
      const unsigned types = schema_types(*one.schema, schema);
      const auto says =
          types == kUnknownType || (types & kString) ? TagForm::Says::text : TagForm::Says::json;
      const std::string rule = parameter(lark_.literal(one.name), *one.schema, says);
      parameters = sequence({parameters, rule + (one.required ? "" : "?")});
    }
    if (open) parameters = parameter(kParameterName, Value(Table()), TagForm::Says::text) + "*";
    return sequence({lark_.literal(form.call_open + tool.name + form.name_written), parameters,
                     lark_.literal(form.before_call_close + form.call_close)});
  }

  static std::string mark_of(const TagForm& form, TagForm::Says says) {
    for (const TagForm::NameEnd& end : form.parameter_name_end) {
      if (end.says == says) return end.text;
    }
    return form.parameter_name_end.front().text;
  }

  Lark& lark_;
  const std::vector<const Tool*>& tools_;
  const GrammarRequest& request_;
  const ToolSyntax& syntax_;
  std::vector<std::unique_ptr<Value>> schemas_;  // parameters point into them
};

std::string channel_thought(Lark& lark) {
  const std::string rest = sequence({lark.text_until("<|end|>"), lark.literal("<|start|>assistant")});
  return "(" + sequence({lark.literal("<|channel|>analysis<|message|>"), rest}) + ")?";
}

/// The thought that may or must come first.
std::string thought(Lark& lark, const SyntaxChoice& choice, GrammarRequest::Thought wanted) {
  using Thought = GrammarRequest::Thought;
  if (wanted == Thought::none) return {};
  if (has_channels(choice)) return channel_thought(lark);
  const ReasoningSyntax& reasoning = *choice.reasoning;
  if (reasoning.close.empty()) return {};
  const std::string rest =
      lark.rule("thought", sequence({lark.text_until(reasoning.close.front()), "/[ \\n]{1,4}/?"}));
  return wanted == Thought::open ? rest : "(" + sequence({lark.literal(reasoning.open.front()), rest}) + ")?";
}

/// A regular expression for text in which none of the syntax's calls begins.
std::string callless(const ToolSyntax& syntax) {
  std::string openers;
  for (const Opener& opener : syntax.openers) {
    const bool line = opener.at_line_start;
    openers += std::string(openers.empty() ? "" : "|") + (line ? "(?s:(.*\n)?)[ \t\r]*" : "(?s:.*)") +
               regex_of(opener.text) + "(?s:.*)";
  }
  return openers.empty() ? "/(?s:.+)/" : "/(?s:.+)/ & ~/" + openers + "/";
}

/// The calls, or text, or both: text that an opener follows, and text that none does.
std::string with_text(Lark& lark, const ToolSyntax& syntax, const Calls& calls) {
  if (std::holds_alternative<ChannelForm>(syntax.forms.front())) {
    const std::string said = sequence({lark.text_until("<|end|>"), lark.literal("<|start|>assistant")});
    return sequence({"(", lark.literal("<|channel|>commentary<|message|>"), said, ")? (", calls.whole, "|",
                     lark.literal("<|channel|>final<|message|>"), "/(?s:.*)/", ")"});
  }
  lark.named_rule("SAID", callless(syntax));
  const auto* named = std::get_if<NamedForm>(&syntax.forms.front());
  // Where the prompt has the opener already, text is what is said to a recipient of its own.
  if (named && syntax.begins_open && !named->plain_name.empty())
    return alternatives({sequence({lark.literal(named->plain_name + "\n"), "SAID"}), calls.whole});
  std::vector<std::string> choices = {"SAID", calls.whole};
  if (!calls.opened.empty())
    choices.push_back(sequence({lark.text_until(syntax.openers.front().text), calls.opened}));
  return alternatives(choices);
}

}  // namespace

bool has_channels(const SyntaxChoice& choice) {
  return std::holds_alternative<ChannelForm>(choice.tools->forms.front());
}

Result<std::string> tool_grammar(const SyntaxChoice& choice, const GrammarRequest& request) {
  std::vector<const Tool*> tools;
  for (const Tool& tool : request.tools->all()) {
    if (request.named.empty() || tool.name == request.named) tools.push_back(&tool);
  }
  if (tools.empty()) {
    return RequestError{.message = request.named.empty()
                                       ? "a call of a tool is required, but no tool is offered"
                                       : "no tool \"" + std::string(request.named) + "\" is offered",
                        .field = "tool_choice"};
  }
  if (choice.tools->openers.empty() && !has_channels(choice)) {
    return RequestError{.message = "this model has no way to call tools; its card can name one",
                        .field = "tool_choice"};
  }
  Lark lark(request.vocabulary);
  const std::string before = thought(lark, choice, request.thought);
  CallWriter writer(lark, tools, request, *choice.tools);
  const Calls calls = std::visit([&](const auto& form) { return writer(form); }, choice.tools->forms.front());
  return lark.finish(
      sequence({before, request.optional ? with_text(lark, *choice.tools, calls) : calls.whole}));
}

std::string answer_head(const SyntaxChoice& choice, std::span<const AddedToken> vocabulary) {
  if (!has_channels(choice)) return {};
  Lark lark(vocabulary);
  const std::string thought = channel_thought(lark);
  return lark.finish(sequence({thought, lark.literal("<|channel|>final<|message|>")}));
}

std::string thought_end(const SyntaxChoice& choice, bool answer) {
  if (has_channels(choice))
    return answer ? "<|end|><|start|>assistant<|channel|>final<|message|>" : "<|end|>";
  return choice.reasoning->close.empty() ? std::string() : choice.reasoning->close.front();
}

}  // namespace varve::text::syntax
