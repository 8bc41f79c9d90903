#pragma once
// A command's options as settings: what the command line does not say, an environment variable may, and what
// that does not, the config file. Names, kinds and ranges are those that the command declares; there is no
// other list.
// The file is the one that --config names, else VARVE_CONFIG, else config.toml beside the user's families and
// models, if it is there.
//   --cache-memory 4GB   VARVE_SERVE_CACHE_MEMORY=4GB   [serve] cache-memory = "4GB"
// An option that may be repeated takes one value or a JSON list in the environment, and a list in the file.
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli.h"
#include "core/value.h"

namespace varve::app {

struct Setting {
  std::string name;                                         // "cache-memory"
  std::function<std::string(const Value&)> set;             // what is wrong with the value, or ""
  std::function<std::string(const std::string&)> set_word;  // the same for a word of the environment
  std::function<Value()> get;                               // null: not set
};

/// The settings of what `command` declares; they refer to its members.
std::vector<Setting> settings_of(Command& command);

/// An option's or a positional's name as a setting: "--cache-memory", "-o,--out", "MODEL".
std::string setting_name(const std::string& names);

/// The file that `option` (--config) or the environment names, read; a LoadError for a table that is no
/// command's. Empty when there is none.
struct ConfigFile {
  std::string file;
  Value values = Table();
};
ConfigFile read_config(const std::optional<std::string>& option);

struct Effective {
  std::string name;
  Value value;
  std::string from;  // "command line", "VARVE_SERVE_PORT", "FILE:12", "default"
};

/// Sets what was not given on the command line. `table` is the command's name. Wrong values are a UsageError
/// (environment) or a LoadError (file) that says where; so are names that are no settings.
std::vector<Effective> apply_settings(std::vector<Setting> settings, const std::string& table,
                                      const ConfigFile& config,
                                      const std::function<bool(const std::string&)>& given);

}  // namespace varve::app
