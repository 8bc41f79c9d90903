// varve template MODEL|FILE.jinja --context FILE.json
#include <fmt/format.h>

#include <algorithm>

#include "commands.h"
#include "core/file.h"
#include "core/json.h"
#include "models.h"
#include "runtime/text_files.h"
#include "words.h"

namespace varve::app {

namespace {

/// The JSON's members as Transformers' apply_chat_template names its arguments.
text::ChatInput chat_input(const Table& context, const std::string& name) {
  text::ChatInput input{.messages = {},
                        .tools = {},
                        .documents = {},
                        .add_generation_prompt = false,
                        .extra = {},
                        .template_name = name};
  for (const auto& [key, value] : context) {
    if (key == "messages" && value.is_array())
      input.messages = value.array();
    else if (key == "tools")
      input.tools = value;
    else if (key == "documents")
      input.documents = value;
    else if (key == "add_generation_prompt" && value.is_boolean())
      input.add_generation_prompt = value.boolean();
    else
      input.extra.set(key, value);
  }
  return input;
}

class Template : public Command {
 public:
  About about() const override {
    return {.name = "template",
            .summary = "Render a chat template",
            .examples =
                "  echo '{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}]}' | \\\n"
                "    varve template smollm2 --context -\n"
                "  varve template chat.jinja --context conversation.json"};
  }
  void declare(Options& options) override {
    options.positional({"MODEL", "", "A model, or a file with a Jinja template"}, model_, true);
    options.text({"--context", "FILE",
                  "A JSON object whose members are the template's variables; - is standard "
                  "input"},
                 context_);
    options.text({"--name", "NAME", "Which of a model's templates; otherwise its default"}, name_);
  }
  int run() override {
    if (!context_) throw UsageError("--context FILE is required");
    const Result<Value> parsed = json::parse(read_input(*context_));
    if (!parsed || !parsed.value().is_table())
      throw LoadError({.what = parsed ? "not a JSON object" : parsed.error().message,
                       .where = *context_ == "-" ? "standard input" : *context_,
                       .expected = "an object whose members are the template's variables",
                       .found = {},
                       .advice = {}});
    const Result<std::string> text = render(parsed.value().table());
    if (!text)
      throw LoadError(
          {.what = text.error().message, .where = model_, .expected = {}, .found = {}, .advice = {}});
    std::fwrite(text.value().data(), 1, text.value().size(), stdout);
    return 0;
  }

 private:
  Result<std::string> render(const Table& context) const {
    if (model_.ends_with(".jinja") || model_.ends_with(".jinja2") || model_.ends_with(".j2")) {
      if (name_) throw UsageError("--name chooses among a model's templates, not in a file");
      return text::ChatTemplate::compile(read_text(model_, size_t{1} << 20), model_).render(context);
    }
    const auto model = runtime::load_text(locate_model(open_store(), model_).path);
    return model->templates().render(chat_input(context, name_.value_or("")));
  }

  std::string model_;
  std::optional<std::string> context_, name_;
};

}  // namespace

std::unique_ptr<Command> make_template() { return std::make_unique<Template>(); }

}  // namespace varve::app
