#include "cli.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "core/error.h"
#include "core/log.h"
#include "option_value.h"
#include "settings.h"
#include "terminal.h"
#include "version.h"

namespace varve::app {

namespace {

constexpr const char* kLogLevels = "trace, debug, info, warn, error, off";

class CliOptions : public Options {
 public:
  explicit CliOptions(CLI::App& app) : app_(app) {}

  void positional(const OptionText& text, std::string& into, bool required) override {
    // CLI11 takes a name that begins with no dash as a positional.
    app_.add_option(text.names, into, text.about)
        ->type_name("")
        ->required(required)
        ->check([](const std::string& word) { return word.empty() ? "the word is empty" : std::string(); });
    if (*text.value) words_ += (words_.empty() ? "" : " ") + std::string(text.value);
  }
  void flag(const char* names, const char* about, bool& into) override { app_.add_flag(names, into, about); }
  void text(const OptionText& text, std::optional<std::string>& into) override {
    once(app_.add_option(text.names, into, text.about), text);
  }
  void texts(const OptionText& text, std::vector<std::string>& into) override {
    app_.add_option(text.names, into, text.about)->type_name(text.value)->expected(1)->take_all();
  }
  void choice(const OptionText& text, const std::vector<std::string>& words, std::string& into) override {
    CLI::Option* option = once(app_.add_option(text.names, into, text.about), text);
    for (const std::string& name : option->get_lnames())
      values_["--" + name] = fmt::format("{}", fmt::join(words, " "));
    option->check([words](const std::string& word) { return refuse_choice(word, words); });
  }
  void number(const OptionText& text, Range range, std::optional<double>& into) override {
    numeric(text, range, into);
  }
  void integer(const OptionText& text, Range range, std::optional<int64_t>& into) override {
    numeric(text, range, into);
  }

  void bytes(const OptionText& text, Range range, std::optional<int64_t>& into) override {
    const auto keep = [&into](const std::string& word) { into = read_bytes(word); };
    once(app_.add_option_function<std::string>(text.names, keep, text.about), text)
        ->check([range](const std::string& word) { return refuse_bytes(word, range); });
  }

  /// Words that its positionals may be.
  const std::string& words() const { return words_; }
  /// By option: the words that it takes.
  const std::map<std::string, std::string>& values() const { return values_; }

 private:
  /// The library's own conversion takes 010 for eight and 0x10 for sixteen.
  template <class T>
  void numeric(const OptionText& text, Range range, std::optional<T>& into) {
    const auto keep = [&into](const std::string& word) { into = read_decimal<T>(word); };
    once(app_.add_option_function<std::string>(text.names, keep, text.about), text)
        ->check([range](const std::string& word) { return refuse_number<T>(word, range); });
  }
  static CLI::Option* once(CLI::Option* option, const OptionText& text) {
    return option->type_name(text.value)->expected(1)->allow_extra_args(false);
  }
  CLI::App& app_;
  std::string words_;
  std::map<std::string, std::string> values_;
};

/// All commands with the parser that knows them.
struct CommandLine {
  CLI::App app{"varve runs open language models on this machine's CPU.", "varve"};
  std::vector<std::unique_ptr<Command>> commands = all_commands();
  std::vector<CLI::App*> parsers;
  std::vector<std::string> words;                          // of each command's positionals
  std::vector<std::map<std::string, std::string>> values;  // of each command's options
  std::string log_level = "warn";
  std::optional<std::string> config;  // of commands with settings
  bool show_version = false;

  CommandLine() {
    app.require_subcommand(0, 1);
    app.set_help_flag("-h,--help", "Say what there is and stop");
    app.add_flag("--version", show_version, "Print the version and stop");
    app.footer(
        "Try:\n  varve run                      chat with the default model\n"
        "  varve run --prompt \"Why is the sky blue?\"\n  varve COMMAND --help           more about one "
        "command");
    for (const auto& command : commands) {
      const Command::About about = command->about();
      CLI::App* parser = app.add_subcommand(about.name, about.summary);
      parser->set_help_flag("-h,--help", "Say what there is and stop");
      parser->footer(fmt::format("Examples:\n{}", about.examples));
      CliOptions options(*parser);
      command->declare(options);
      words.push_back(options.words());
      values.push_back(options.values());
      std::string& levels = values.back()["--log-level"] = kLogLevels;
      std::erase(levels, ',');
      parser->add_option("--log-level", log_level, fmt::format("What goes to standard error: {}", kLogLevels))
          ->type_name("LEVEL")
          ->check([](const std::string& word) {
            log::Level level;
            return log::parse_level(word, level) ? std::string()
                                                 : fmt::format("'{}' is not one of {}", word, kLogLevels);
          });
      if (command->has_settings())
        parser
            ->add_option("--config", config,
                         "The config file; otherwise VARVE_CONFIG, or ~/.config/varve/config.toml")
            ->type_name("FILE");
      parsers.push_back(parser);
    }
  }
};

/// What the command line leaves open is taken from the environment and the config file.
void read_settings(const CommandLine& line, size_t index) {
  Command& command = *line.commands[index];
  const CLI::App& parser = *line.parsers[index];
  const auto given = [&](const std::string& name) {
    for (const CLI::Option* option : parser.get_options()) {
      const auto& names = option->get_lnames();
      const std::string own = names.empty() ? option->get_name(true) : names[0];
      if (setting_name(own) == name) return option->count() > 0;
    }
    return false;
  };
  apply_settings(settings_of(command), command.about().name, read_config(line.config), given);
}

std::string suggestion(const CommandLine& line, const std::string& word) {
  std::vector<std::string> names;
  for (const auto& command : line.commands) names.emplace_back(command->about().name);
  const std::string near = nearest(word, names);
  return near.empty() ? "" : fmt::format(" Did you mean '{}'?", near);
}

int usage_error(std::string_view command, std::string_view message) {
  tell("varve: {}\n  See: varve{}{} --help\n", printable_lines(message), command.empty() ? "" : " ", command);
  return 2;
}

int failure(std::string_view message) {
  std::fflush(stdout);
  tell("varve: {}\n", printable_lines(message));
  return 1;
}

/// What is wrong with the words of a command: the library counts arguments where an option was repeated.
std::string parse_message(const CLI::App& parser, const CLI::ParseError& error) {
  for (const CLI::Option* option : parser.get_options())
    if (!option->get_lnames().empty() && option->get_type_size() > 0 &&
        option->get_multi_option_policy() == CLI::MultiOptionPolicy::Throw && option->count() > 1)
      return fmt::format("--{} is given {} times; once is enough", option->get_lnames()[0], option->count());
  return error.what();
}

int print_text(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  return std::fflush(stdout) == 0 && !std::ferror(stdout) ? 0 : failure("standard output cannot be written");
}

int run_command(CommandLine& line, size_t index, int argc, const char* const* argv) {
  Command& command = *line.commands[index];
  log::Level level = log::Level::warn;
  log::parse_level(line.log_level, level);
  log::set_level(level);
  log::debug(fmt::format("varve {} with {} arguments: {}", kVersion, argc - 1, command.about().name));
  static_cast<void>(argv);
  try {
    if (command.has_settings()) read_settings(line, index);
    const int code = command.run();
    return std::fflush(stdout) == 0 && !std::ferror(stdout) ? code
                                                            : failure("standard output cannot be written");
  } catch (const UsageError& error) {
    return usage_error(command.about().name, error.what());
  } catch (const LoadError& error) {
    return failure(error.what());
  } catch (const std::bad_alloc&) {
    return failure("out of memory: use a smaller model or context, or end other programs");
  } catch (const std::exception& error) {
    return failure(error.what());
  }
}

}  // namespace

std::vector<CommandShape> command_shapes() {
  CommandLine line;
  std::vector<CommandShape> shapes;
  for (size_t i = 0; i < line.commands.size(); ++i) {
    const Command::About about = line.commands[i]->about();
    CommandShape shape{.name = about.name,
                       .summary = about.summary,
                       .options = {},
                       .values = line.values[i],
                       .words = line.words[i],
                       .names = {}};
    for (const CLI::Option* option : line.parsers[i]->get_options()) {
      for (const std::string& name : option->get_lnames())
        shape.options.emplace_back("--" + name, option->get_description());
      const std::string positional = option->get_positional() ? option->get_name(true) : "";
      if (positional.find("MODEL") != positional.npos || positional.find("NAME") != positional.npos)
        shape.names = "list";
      if (positional.find("FAMILY") != positional.npos) shape.names = "families";
    }
    shapes.push_back(std::move(shape));
  }
  return shapes;
}

int run_command_line(int argc, const char* const* argv) {
  open_standard_streams();
  CommandLine line;
  try {
    line.app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    for (const CLI::App* parser : line.parsers)
      if (parser->parsed()) return print_text(parser->help("varve"));
    return print_text(line.app.help());
  } catch (const CLI::ParseError& error) {
    for (size_t i = 0; i < line.parsers.size(); ++i)
      if (line.parsers[i]->parsed())
        return usage_error(line.commands[i]->about().name, parse_message(*line.parsers[i], error));
    const std::string word = argc > 1 ? argv[1] : "";
    if (!word.starts_with('-'))
      return usage_error("", fmt::format("there is no command '{}'.{}", word, suggestion(line, word)));
    return usage_error("", error.what());
  }
  if (line.show_version) return print_text(fmt::format("varve {}\n", kVersion));
  for (size_t i = 0; i < line.parsers.size(); ++i)
    if (line.parsers[i]->parsed()) return run_command(line, i, argc, argv);
  return print_text(line.app.help());
}

}  // namespace varve::app
