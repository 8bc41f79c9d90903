// varve config
#include <fmt/format.h>

#include <algorithm>

#include "commands.h"
#include "core/json.h"
#include "settings.h"
#include "terminal.h"

namespace varve::app {

namespace {

class Config : public Command {
 public:
  About about() const override {
    return {.name = "config",
            .summary = "Print the effective settings and where each comes from",
            .examples =
                "  varve config                     environment, config file and defaults as they stand\n"
                "  varve config --config my.toml --json"};
  }
  void declare(Options& options) override {
    options.text(
        {"--config", "FILE", "The config file; otherwise VARVE_CONFIG, or ~/.config/varve/config.toml"},
        file_);
    options.flag("--json", "Print one object: for each command, each setting's value and origin", json_);
  }
  int run() override {
    const ConfigFile config = read_config(file_);
    Table shown;
    shown.set("file", config.file.empty() ? Value() : Value(config.file));
    std::string lines =
        fmt::format("config file: {}\n", config.file.empty() ? "none" : printable(config.file));
    for (const auto& command : all_commands()) {
      if (!command->has_settings()) continue;
      const std::string table = command->about().name;
      const auto settings =
          apply_settings(settings_of(*command), table, config, [](const std::string&) { return false; });
      shown.set(table, as_value(settings));
      lines += as_lines(table, settings);
    }
    fmt::print("{}", json_ ? json::dump(Value(std::move(shown))) + "\n" : lines);
    return 0;
  }

 private:
  static Value as_value(const std::vector<Effective>& settings) {
    Table table;
    for (const Effective& setting : settings) {
      Table one;
      one.set("value", setting.value);
      one.set("from", setting.from);
      table.set(setting.name, Value(std::move(one)));
    }
    return Value(std::move(table));
  }
  static std::string as_lines(const std::string& table, const std::vector<Effective>& settings) {
    std::string lines = fmt::format("\n[{}]\n", table);
    size_t width = 0;
    for (const Effective& setting : settings) width = std::max(width, setting.name.size());
    for (const Effective& setting : settings) {
      const std::string value = setting.value.is_null() ? "-" : json::dump(setting.value);
      lines +=
          fmt::format("{:<{}}  {:<24}  {}\n", setting.name, width, printable(value), printable(setting.from));
    }
    return lines;
  }

  std::optional<std::string> file_;
  bool json_ = false;
};

}  // namespace

std::unique_ptr<Command> make_config() { return std::make_unique<Config>(); }

}  // namespace varve::app
