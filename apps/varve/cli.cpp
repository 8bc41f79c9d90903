#include "cli.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>

#include "core/error.h"
#include "core/log.h"
#include "terminal.h"
#include "version.h"

namespace varve::app {

namespace {

constexpr const char* kLogLevels = "trace, debug, info, warn, error, off";

std::string refuse_number(const std::string& text, const Options::Range& range, bool whole) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  const bool is_number = !text.empty() && *end == '\0' && std::isfinite(value);
  if (is_number && value >= range.low && value <= range.high && (!whole || value == std::floor(value)))
    return {};
  return fmt::format("'{}' is not a {} from {} to {}", text, whole ? "whole number" : "number", range.low,
                     range.high);
}

class CliOptions : public Options {
 public:
  explicit CliOptions(CLI::App& app) : app_(app) {}

  void positional(const OptionText& text, std::string& into, bool required) override {
    // CLI11 takes a name that begins with no dash as a positional.
    app_.add_option(text.names, into, text.about)->type_name("")->required(required);
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
    once(app_.add_option(text.names, into, text.about), text)->check([words](const std::string& word) {
      for (const std::string& known : words)
        if (known == word) return std::string();
      return fmt::format("'{}' is not one of {}", word, fmt::join(words, ", "));
    });
  }
  void number(const OptionText& text, Range range, std::optional<double>& into) override {
    once(app_.add_option(text.names, into, text.about), text)->check([range](const std::string& word) {
      return refuse_number(word, range, false);
    });
  }
  void integer(const OptionText& text, Range range, std::optional<int64_t>& into) override {
    once(app_.add_option(text.names, into, text.about), text)->check([range](const std::string& word) {
      return refuse_number(word, range, true);
    });
  }

  /// Words that its positionals may be.
  const std::string& words() const { return words_; }

 private:
  static CLI::Option* once(CLI::Option* option, const OptionText& text) {
    return option->type_name(text.value)->expected(1)->allow_extra_args(false);
  }
  CLI::App& app_;
  std::string words_;
};

/// All commands with the parser that knows them.
struct CommandLine {
  CLI::App app{"varve runs open language models on this machine's CPU.", "varve"};
  std::vector<std::unique_ptr<Command>> commands = all_commands();
  std::vector<CLI::App*> parsers;
  std::vector<std::string> words;  // of each command's positionals
  std::string log_level = "warn";
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
      parser->add_option("--log-level", log_level, fmt::format("What goes to standard error: {}", kLogLevels))
          ->type_name("LEVEL")
          ->check([](const std::string& word) {
            log::Level level;
            return log::parse_level(word, level) ? std::string()
                                                 : fmt::format("'{}' is not one of {}", word, kLogLevels);
          });
      parsers.push_back(parser);
    }
  }
};

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

int print_help(const std::string& text) {
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
    CommandShape shape{
        .name = about.name, .summary = about.summary, .options = {}, .words = line.words[i], .names = {}};
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
      if (parser->parsed()) return print_help(parser->help("varve"));
    return print_help(line.app.help());
  } catch (const CLI::ParseError& error) {
    for (size_t i = 0; i < line.parsers.size(); ++i)
      if (line.parsers[i]->parsed()) return usage_error(line.commands[i]->about().name, error.what());
    const std::string word = argc > 1 ? argv[1] : "";
    if (!word.starts_with('-'))
      return usage_error("", fmt::format("there is no command '{}'.{}", word, suggestion(line, word)));
    return usage_error("", error.what());
  }
  if (line.show_version) return fmt::print("varve {}\n", kVersion), 0;
  for (size_t i = 0; i < line.parsers.size(); ++i)
    if (line.parsers[i]->parsed()) return run_command(line, i, argc, argv);
  fmt::print("{}", line.app.help());
  return 0;
}

}  // namespace varve::app
