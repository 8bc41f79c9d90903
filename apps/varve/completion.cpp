// varve completion bash|zsh
#include <fmt/format.h>

#include "commands.h"

namespace varve::app {

namespace {

constexpr std::string_view kBash = R"sh(# bash completion for varve: source <(varve completion bash)
_varve() {
  local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} options="" words="" names="" values=""
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "@COMMANDS@ --help --version" -- "$current"))
    return
  fi
  case ${COMP_WORDS[1]} in
@CASES@  esac
  case "${COMP_WORDS[1]} $before" in
@VALUES@  esac
  if [ -n "$values" ]; then
    COMPREPLY=($(compgen -W "$values" -- "$current"))
    return
  fi
  case $current in
    -*) COMPREPLY=($(compgen -W "$options" -- "$current")) ;;
    *)
      [ -z "$names" ] || words+=" $(varve "$names" --names 2>/dev/null)"
      COMPREPLY=($(compgen -W "$words" -- "$current"))
      COMPREPLY+=($(compgen -f -- "$current"))
      ;;
  esac
}
complete -o filenames -F _varve varve
)sh";

constexpr std::string_view kZsh = R"sh(#compdef varve
# zsh completion for varve: source <(varve completion zsh)
_varve() {
  local -a commands options
  local words_here="" names="" values=""
  commands=(
@COMMANDS@  )
  if (( CURRENT == 2 )); then
    _describe 'command' commands
    return
  fi
  case $words[2] in
@CASES@  esac
  case "$words[2] $words[CURRENT-1]" in
@VALUES@  esac
  if [[ -n $values ]]; then
    compadd -- ${=values}
    return
  fi
  if [[ $words[CURRENT] == -* ]]; then
    _describe 'option' options
  else
    [[ -n $words_here ]] && compadd -- ${=words_here}
    [[ -n $names ]] && compadd -- ${(f)"$(varve $names --names 2>/dev/null)"}
    _files
  fi
}
compdef _varve varve
)sh";

std::string fill(std::string script, const std::vector<CommandShape>& shapes, const std::string& commands,
                 const std::string& cases) {
  std::string values;
  for (const CommandShape& shape : shapes)
    for (const auto& [option, words] : shape.values)
      values += fmt::format("    \"{} {}\") values=\"{}\" ;;\n", shape.name, option, words);
  const auto put = [&](std::string_view mark, const std::string& text) {
    script.replace(script.find(mark), mark.size(), text);
  };
  put("@COMMANDS@", commands);
  put("@CASES@", cases);
  put("@VALUES@", values);
  return script;
}

/// For a zsh word list in single quotes: 'name:text'.
std::string zsh_word(const std::string& name, const std::string& about) {
  std::string text;
  for (const char c : about) {
    if (c == '\'')
      text += "'\\''";
    else if (c == ':')
      text += "\\:";
    else
      text += c;
  }
  return fmt::format("'{}:{}'", name, text);
}

std::string bash_script(const std::vector<CommandShape>& shapes) {
  std::vector<std::string> names;
  std::string cases;
  for (const CommandShape& shape : shapes) {
    names.push_back(shape.name);
    std::vector<std::string> options;
    for (const auto& [name, about] : shape.options) options.push_back(name);
    cases += fmt::format("    {}) options=\"{}\"; words=\"{}\"; names=\"{}\" ;;\n", shape.name,
                         fmt::join(options, " "), shape.words, shape.names);
  }
  return fill(std::string(kBash), shapes, fmt::format("{}", fmt::join(names, " ")), cases);
}

std::string zsh_script(const std::vector<CommandShape>& shapes) {
  std::string names, cases;
  for (const CommandShape& shape : shapes) {
    names += fmt::format("    {}\n", zsh_word(shape.name, shape.summary));
    std::vector<std::string> options;
    for (const auto& [name, about] : shape.options) options.push_back(zsh_word(name, about));
    cases += fmt::format("    {}) options=({}); words_here=\"{}\"; names=\"{}\" ;;\n", shape.name,
                         fmt::join(options, " "), shape.words, shape.names);
  }
  return fill(std::string(kZsh), shapes, names, cases);
}

class Completion : public Command {
 public:
  About about() const override {
    return {.name = "completion",
            .summary = "Print a completion script for bash or zsh",
            .examples =
                "  source <(varve completion bash)      in ~/.bashrc\n"
                "  source <(varve completion zsh)       in ~/.zshrc, after compinit"};
  }
  void declare(Options& options) override {
    options.positional({"SHELL", "bash zsh", "bash or zsh"}, shell_, true);
  }
  int run() override {
    if (shell_ != "bash" && shell_ != "zsh")
      throw UsageError(fmt::format("there is completion for bash and zsh, not for '{}'", shell_));
    const std::vector<CommandShape> shapes = command_shapes();
    fmt::print("{}", shell_ == "bash" ? bash_script(shapes) : zsh_script(shapes));
    return 0;
  }

 private:
  std::string shell_;
};

}  // namespace

std::unique_ptr<Command> make_completion() { return std::make_unique<Completion>(); }

}  // namespace varve::app
