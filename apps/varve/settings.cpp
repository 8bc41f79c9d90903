#include "settings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>

#include "core/error.h"
#include "core/json.h"
#include "core/toml.h"
#include "option_value.h"
#include "store/store.h"

extern char** environ;

namespace varve::app {

namespace {

std::string not_kind(const Value& value, const char* wanted) {
  return fmt::format("it is a {}, not a {}", value.kind_name(), wanted);
}

/// Declares into a list of settings.
class SettingOptions final : public Options {
 public:
  std::vector<Setting> settings;

  void positional(const OptionText& text, std::string& into, bool) override {
    add_text(text.names, into, {});
  }
  void text(const OptionText& text, std::optional<std::string>& into) override {
    const Set set = [&into](const Value& value) {
      if (!value.is_text()) return not_kind(value, "text");
      into = value.text();
      return std::string();
    };
    add(
        text.names, set, [set](const std::string& word) { return set(Value(word)); },
        [&into] { return into ? Value(*into) : Value(); });
  }
  void choice(const OptionText& text, const std::vector<std::string>& words, std::string& into) override {
    add_text(text.names, into, [words](const std::string& word) { return refuse_choice(word, words); });
  }
  void flag(const char* names, const char*, bool& into) override {
    const Set set = [&into](const Value& value) {
      if (!value.is_boolean()) return not_kind(value, "true or false");
      into = value.boolean();
      return std::string();
    };
    const auto set_word = [&into](const std::string& word) {
      into = word == "1" || word == "true";
      return refuse_choice(word, {"1", "true", "0", "false"});
    };
    add(names, set, set_word, [&into] { return Value(into); });
  }
  void texts(const OptionText& text, std::vector<std::string>& into) override {
    const Set set = [&into](const Value& value) {
      std::vector<std::string> all;
      if (!value.is_array()) return not_kind(value, "list of texts");
      for (const Value& one : value.array()) {
        if (!one.is_text()) return std::string("its members are not all texts");
        all.push_back(one.text());
      }
      into = std::move(all);
      return std::string();
    };
    const auto set_word = [set](const std::string& word) {
      const Result<Value> list = json::parse(word);
      return set(word.starts_with('[') && list ? list.value() : Value(Array{Value(word)}));
    };
    add(text.names, set, set_word,
        [&into] { return into.empty() ? Value() : Value(Array(into.begin(), into.end())); });
  }
  void number(const OptionText& text, Range range, std::optional<double>& into) override {
    add_number<double>(text.names, range, {refuse_number<double>, read_decimal<double>, false}, into);
  }
  void integer(const OptionText& text, Range range, std::optional<int64_t>& into) override {
    add_number<int64_t>(text.names, range, {refuse_number<int64_t>, read_decimal<int64_t>, false}, into);
  }
  void bytes(const OptionText& text, Range range, std::optional<int64_t>& into) override {
    add_number<int64_t>(text.names, range, {refuse_bytes, read_bytes, true}, into);
  }

 private:
  using Set = std::function<std::string(const Value&)>;
  using SetWord = std::function<std::string(const std::string&)>;
  void add(const char* names, Set set, SetWord set_word, std::function<Value()> get) {
    settings.push_back({setting_name(names), std::move(set), std::move(set_word), std::move(get)});
  }
  void add_text(const char* names, std::string& into, const SetWord& refuse) {
    const SetWord set_word = [&into, refuse](const std::string& word) {
      std::string problem = refuse ? refuse(word) : "";
      if (problem.empty()) into = word;
      return problem;
    };
    const Set set = [set_word](const Value& value) {
      return value.is_text() ? set_word(value.text()) : not_kind(value, "text");
    };
    add(names, set, set_word, [&into] { return into.empty() ? Value() : Value(into); });
  }
  template <class T>
  struct Words {
    std::string (*refuse)(const std::string&, const Range&);
    std::optional<T> (*read)(const std::string&);
    bool units;  // "4GB": a text in the file
  };
  template <class T>
  void add_number(const char* names, Range range, Words<T> words, std::optional<T>& into) {
    const SetWord set_word = [=, &into](const std::string& word) {
      std::string problem = words.refuse(word, range);
      if (problem.empty()) into = words.read(word);
      return problem;
    };
    const Set set = [=](const Value& value) {
      if (words.units && value.is_text()) return set_word(value.text());
      return value.is_number() ? set_word(json::dump(value)) : not_kind(value, "number");
    };
    add(names, set, set_word, [&into] { return into ? Value(*into) : Value(); });
  }
};

std::string variable_of(const std::string& table, const std::string& name) {
  std::string out = "VARVE_" + table + "_" + name;
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return c == '-' ? '_' : static_cast<char>(std::toupper(c)); });
  return out;
}

std::string did_you_mean(const std::string& word, const std::vector<std::string>& known) {
  const std::string near = nearest(word, known);
  return near.empty() ? "" : fmt::format("Did you mean '{}'?", near);
}

std::optional<std::filesystem::path> config_file(const std::optional<std::string>& option) {
  if (option) return *option;
  if (const char* variable = std::getenv("VARVE_CONFIG"); variable && *variable) return variable;
  std::filesystem::path usual = store::Places::from_environment().config / "config.toml";
  std::error_code error;
  if (std::filesystem::exists(usual, error)) return usual;
  return std::nullopt;
}

void check_variables(const std::vector<Setting>& settings, const std::string& table) {
  std::vector<std::string> known;
  for (const Setting& setting : settings) known.push_back(variable_of(table, setting.name));
  const std::string beginning = variable_of(table, "");
  for (char** variable = environ; *variable; ++variable) {
    const std::string_view text(*variable);
    const std::string name(text.substr(0, text.find('=')));
    if (!name.starts_with(beginning) || std::find(known.begin(), known.end(), name) != known.end()) continue;
    throw UsageError(
        fmt::format("the environment variable {} is no setting. {}", name, did_you_mean(name, known)));
  }
}

void check_keys(const std::vector<Setting>& settings, const Value& values, const std::string& table,
                const std::string& file) {
  std::vector<std::string> known;
  for (const Setting& setting : settings) known.push_back(setting.name);
  for (const auto& [key, value] : values.table())
    if (std::find(known.begin(), known.end(), key) == known.end())
      throw LoadError({.what = fmt::format("there is no setting '{}' in [{}]", key, table),
                       .where = fmt::format("{}:{}", file, value.line()),
                       .expected = {},
                       .found = {},
                       .advice = did_you_mean(key, known)});
}

}  // namespace

std::string setting_name(const std::string& names) {
  const size_t dashes = names.find("--");
  std::string name = dashes == names.npos ? names : names.substr(dashes + 2);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return name;
}

std::vector<Setting> settings_of(Command& command) {
  SettingOptions options;
  command.declare(options);
  return std::move(options.settings);
}

ConfigFile read_config(const std::optional<std::string>& option) {
  const auto file = config_file(option);
  if (!file) return {};
  std::vector<std::string> tables;
  for (const auto& command : all_commands())
    if (command->has_settings()) tables.emplace_back(command->about().name);
  ConfigFile config{.file = file->string(), .values = toml::read_file(*file)};
  for (const auto& [key, value] : config.values.table()) {
    const bool known = std::find(tables.begin(), tables.end(), key) != tables.end();
    if (known && value.is_table()) continue;
    throw LoadError(
        {.what = known ? fmt::format("'{}' is not a table", key) : fmt::format("there is no table [{}]", key),
         .where = fmt::format("{}:{}", config.file, value.line()),
         .expected = fmt::format("[{}]", fmt::join(tables, "], [")),
         .found = {},
         .advice = known ? "" : did_you_mean(key, tables)});
  }
  return config;
}

std::vector<Effective> apply_settings(std::vector<Setting> settings, const std::string& table,
                                      const ConfigFile& config,
                                      const std::function<bool(const std::string&)>& given) {
  check_variables(settings, table);
  const Value* values = config.values.find(table);
  if (values) check_keys(settings, *values, table, config.file);
  std::vector<Effective> all;
  for (Setting& setting : settings) {
    const std::string variable = variable_of(table, setting.name);
    const char* word = std::getenv(variable.c_str());
    const Value* value = values ? values->find(setting.name) : nullptr;
    std::string from = "default";
    if (given(setting.name)) {
      from = "command line";
    } else if (word && *word) {
      from = variable;
      if (const std::string problem = setting.set_word(word); !problem.empty())
        throw UsageError(fmt::format("{}: {}", variable, problem));
    } else if (value) {
      from = fmt::format("{}:{}", config.file, value->line());
      if (const std::string problem = setting.set(*value); !problem.empty())
        throw LoadError({.what = fmt::format("{}: {}", setting.name, problem),
                         .where = from,
                         .expected = {},
                         .found = {},
                         .advice = fmt::format("`varve {} --help` says what it may be.", table)});
    }
    all.push_back({setting.name, setting.get(), std::move(from)});
  }
  return all;
}

}  // namespace varve::app
