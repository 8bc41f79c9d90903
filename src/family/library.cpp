#include "family/library.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>

#include "core/file.h"

namespace varve::family {

namespace fs = std::filesystem;

namespace {

constexpr size_t kMostBytes = size_t{1} << 20;

}  // namespace

fs::path FamilyLibrary::default_user_dir() {
  if (const char* config = std::getenv("XDG_CONFIG_HOME"); config && *config)
    return fs::path(config) / "varve" / "families";
  if (const char* home = std::getenv("HOME"); home && *home)
    return fs::path(home) / ".config" / "varve" / "families";
  return {};
}

FamilyLibrary FamilyLibrary::builtin() {
  FamilyLibrary library;
  for (const auto& [name, text] : builtin_files())
    library.add(std::string(name), fmt::format("families/{}.toml", name), std::string(text));
  return library;
}

FamilyLibrary FamilyLibrary::open(const Options& options) {
  FamilyLibrary library = builtin();
  std::error_code none;
  if (!options.user_dir.empty() && fs::is_directory(options.user_dir, none)) {
    std::vector<fs::path> files;
    for (const auto& item : fs::directory_iterator(options.user_dir, none))
      if (item.path().extension() == ".toml") files.push_back(item.path());
    std::sort(files.begin(), files.end());
    for (const fs::path& file : files)
      library.add(file.stem().string(), file.string(), read_text(file, kMostBytes));
  }
  if (!options.file.empty()) {
    library.add(options.file.stem().string(), options.file.string(), read_text(options.file, kMostBytes));
    library.chosen_ = options.file.stem().string();
  }
  return library;
}

void FamilyLibrary::add(std::string name, std::string file, std::string text) {
  std::erase_if(entries_, [&](const Entry& e) { return e.name == name; });
  entries_.push_back({std::move(name), std::move(file), std::move(text), {}});
  loaded_.clear();
}

const FamilyLibrary::Entry* FamilyLibrary::entry(std::string_view name) const {
  for (const Entry& e : entries_)
    if (e.name == name) return &e;
  return nullptr;
}

std::vector<std::string> FamilyLibrary::names() const {
  std::vector<std::string> out;
  for (const Entry& e : entries_)
    if (e.name[0] != '_') out.push_back(e.name);
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<std::string> FamilyLibrary::by_precedence() const {
  std::vector<std::string> out;
  for (auto e = entries_.rbegin(); e != entries_.rend(); ++e)
    if (e->name[0] != '_') out.push_back(e->name);
  return out;
}

const std::string& FamilyLibrary::file_of(std::string_view name) const {
  const Entry* found = entry(name);
  check(found != nullptr, "file_of a family that is not there");
  return found->file;
}

const Match& FamilyLibrary::match_of(std::string_view name) const {
  const Entry* found = entry(name);
  check(found != nullptr, "match_of a family that is not there");
  if (!found->match) found->match = read_match(found->text, found->file);
  return *found->match;
}

const Family* FamilyLibrary::find(std::string_view name) const {
  for (const auto& [known, family] : loaded_)
    if (known == name) return family.get();
  const Entry* found = entry(name);
  if (!found || found->name[0] == '_') return nullptr;
  std::vector<std::string> open;
  auto family = std::make_unique<Family>(load(*found, open));
  check_family(*family);
  return loaded_.emplace_back(std::string(name), std::move(family)).second.get();
}

Family FamilyLibrary::load(const Entry& entry_read, std::vector<std::string>& open) const {
  if (std::find(open.begin(), open.end(), entry_read.name) != open.end())
    fail_at({entry_read.file, 0}, fmt::format("families extend each other in a circle: {}, {}",
                                              fmt::join(open, ", "), entry_read.name));
  open.push_back(entry_read.name);
  Family family = read_family(entry_read.text, entry_read.file);
  family.name = entry_read.name;
  family.part = entry_read.name[0] == '_';
  if (family.extends.empty()) return family;
  const Entry* parent = entry(family.extends);
  if (!parent) {
    std::vector<std::string> known;
    for (const Entry& e : entries_) known.push_back(e.name);
    fail_unknown(family.place, "family to extend", family.extends, known);
  }
  const Family base = load(*parent, open);
  return extend(base, std::move(family));
}

}  // namespace varve::family
