#pragma once
// The frame of the command line: what a command is and how it says which options it takes. The parser
// library stays behind cli.cpp. Errors of usage end with exit code 2, all others with 1.
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace varve::app {

/// How an option is spelled and what it says in --help.
struct OptionText {
  const char* names;  // "--max-tokens" or "-o,--out"; of a positional: "MODEL"
  const char* value;  // "N", "FILE": what stands for the value; of a positional: words that it may be, or ""
  const char* about;
};

/// Collects a command's options; values are written when the command line has been read.
class Options {
 public:
  virtual ~Options() = default;
  virtual void positional(const OptionText& text, std::string& into, bool required) = 0;
  virtual void flag(const char* names, const char* about, bool& into) = 0;
  virtual void text(const OptionText& text, std::optional<std::string>& into) = 0;
  virtual void texts(const OptionText& text, std::vector<std::string>& into) = 0;
  virtual void choice(const OptionText& text, const std::vector<std::string>& words, std::string& into) = 0;
  struct Range {
    double low;
    double high;
    bool open = false;  // `low` itself is not in it
  };
  /// Refuses what is not a finite number within the range.
  virtual void number(const OptionText& text, Range range, std::optional<double>& into) = 0;
  virtual void integer(const OptionText& text, Range range, std::optional<int64_t>& into) = 0;
  /// A number of bytes, with or without a unit: "512MB".
  virtual void bytes(const OptionText& text, Range range, std::optional<int64_t>& into) = 0;
};

class Command {
 public:
  struct About {
    const char* name;
    const char* summary;   // one line
    const char* examples;  // shown under --help, each on its own line
  };
  virtual ~Command() = default;
  virtual About about() const = 0;
  virtual void declare(Options& options) = 0;
  /// Its options are settings too: of VARVE_NAME_... and of this table in the config file (settings.h).
  virtual bool has_settings() const { return false; }
  /// The exit code. LoadError and UsageError may be thrown.
  virtual int run() = 0;
};

/// A command line that cannot be meant: exit code 2 and a pointer to --help.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Every command, in the order of --help. The list is in commands.cpp.
std::vector<std::unique_ptr<Command>> all_commands();

/// What completion scripts are made from.
struct CommandShape {
  std::string name;
  std::string summary;
  std::vector<std::pair<std::string, std::string>> options;  // "--json" and what it does
  std::map<std::string, std::string> values;                 // of "--precision": "fast exact"
  std::string words;                                         // that may stand as positionals: "bash zsh"
  std::string names;  // the command whose --names lists what else may: "list" for models; or ""
};
std::vector<CommandShape> command_shapes();

/// Reads the command line, runs the command, prints its error: main().
int run_command_line(int argc, const char* const* argv);

}  // namespace varve::app
