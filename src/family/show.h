#pragma once
// Families and specs for people: the table of `varve families`, the file that `families show` prints, the
// page docs/families.md, and a spec as one document.
#include <string>
#include <vector>

#include "core/value.h"
#include "family/library.h"
#include "nn/spec.h"

namespace varve::family {

/// Everything in a spec, as one table; equal specs give equal tables.
Table spec_table(const nn::ModelSpec& spec);

/// One line of the table of families.
struct FamilyRow {
  std::string name, about, file, example;
  std::vector<std::string> model_types, architectures, gguf;
  std::vector<std::string> blocks;  // every block that a layer of the family may have
};
std::vector<FamilyRow> family_rows(const FamilyLibrary& library);

/// One entry of a family with everything it extends: "[attention]", "window", "\"$window\"", file:line.
struct FamilyLine {
  std::string section, key, value, origin;
};
std::vector<FamilyLine> family_lines(const Family& family);

/// family_lines as a TOML text with the origin of every value behind it.
std::string family_text(const Family& family);

/// The page docs/families.md of the built-in families.
std::string families_page(const FamilyLibrary& library);

}  // namespace varve::family
