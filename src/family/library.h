#pragma once
// All family files: the built-in ones (embedded when varve is built), those of the user's directory
// (~/.config/varve/families, or below XDG_CONFIG_HOME), and one given by hand. A later file of the same
// name replaces an earlier one; there is no second, privileged way.
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "family/family.h"

namespace varve::family {

class FamilyLibrary {
 public:
  struct Options {
    std::filesystem::path user_dir = default_user_dir();  // read when it exists
    std::filesystem::path file;                           // --family FILE; empty: none
  };
  /// The library of the running program. A LoadError names a family file that cannot be used.
  static FamilyLibrary open(const Options& options);
  static FamilyLibrary open() { return open(Options{}); }
  /// The built-in files alone.
  static FamilyLibrary builtin();
  static std::filesystem::path default_user_dir();

  /// Adds a file's text under the name `name`.
  void add(std::string name, std::string file, std::string text);

  /// Every family, parts left out, in order of name.
  std::vector<std::string> names() const;
  /// The same, later files first: the order in which families are tried.
  std::vector<std::string> by_precedence() const;
  /// What its own file says under [match]: no other part is looked at, so that a fault elsewhere in a file
  /// stops only those who use it.
  const Match& match_of(std::string_view name) const;
  /// The family with everything it extends, checked. Null when there is none of that name.
  const Family* find(std::string_view name) const;
  /// The file it comes from and its text; for `families show`.
  const std::string& file_of(std::string_view name) const;
  /// The family that --family chose; empty: none.
  const std::string& chosen() const { return chosen_; }

 private:
  struct Entry {
    std::string name, file, text;
    mutable std::optional<Match> match;  // read when first asked for
  };
  const Entry* entry(std::string_view name) const;
  Family load(const Entry& entry, std::vector<std::string>& open) const;

  std::vector<Entry> entries_;
  mutable std::vector<std::pair<std::string, std::unique_ptr<Family>>> loaded_;
  std::string chosen_;
};

/// The text of every file of families/, name and contents; made by the build.
const std::vector<std::pair<std::string_view, std::string_view>>& builtin_files();

}  // namespace varve::family
