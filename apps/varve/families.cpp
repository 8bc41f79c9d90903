// varve families [show NAME]
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "commands.h"
#include "core/json.h"
#include "family/library.h"
#include "family/show.h"
#include "terminal.h"

namespace varve::app {

namespace {

Value texts(const std::vector<std::string>& words) { return Array(words.begin(), words.end()); }

class Families : public Command {
 public:
  About about() const override {
    return {.name = "families",
            .summary = "Show which model families are known",
            .examples =
                "  varve families                        a table\n"
                "  varve families show NAME              one family with all it extends, and where each line "
                "is from\n"
                "  varve families --family my.toml       with a file of your own, checked"};
  }
  void declare(Options& options) override {
    options.positional({"ACTION", "show", "show: print one family in full"}, action_, false);
    options.positional({"FAMILY", "", "The family to show"}, name_, false);
    options.text({"--family", "FILE", "Read this family file as well"}, file_);
    options.flag("--json", "Print a list of objects", json_);
    options.flag("--names", "Print names only, one per line", names_);
    options.flag("--markdown", "Print the page docs/families.md", markdown_);
  }

  int run() override {
    const std::string name = shown_family();
    if (markdown_ + names_ + json_ > 1) throw UsageError("--json, --names and --markdown exclude each other");
    if (!name.empty() && (markdown_ || names_))
      throw UsageError("--markdown and --names are of all families, not of one");
    const auto library = family::FamilyLibrary::open(
        {.user_dir = family::FamilyLibrary::default_user_dir(), .file = file_.value_or("")});
    if (markdown_) {
      fmt::print("{}", family::families_page(library));
    } else if (names_) {
      for (const std::string& one : library.names()) fmt::print("{}\n", one);
    } else if (!name.empty()) {
      show_one(library, name);
    } else if (json_) {
      Array rows;
      for (const family::FamilyRow& row : family::family_rows(library)) {
        Table entry;
        entry.set("name", row.name);
        entry.set("about", row.about);
        entry.set("file", row.file);
        entry.set("example", row.example);
        entry.set("model_types", texts(row.model_types));
        entry.set("architectures", texts(row.architectures));
        entry.set("gguf", texts(row.gguf));
        entry.set("blocks", texts(row.blocks));
        rows.emplace_back(std::move(entry));
      }
      fmt::print("{}\n", json::dump(Value(std::move(rows)), 2));
    } else {
      show_table(library);
    }
    return 0;
  }

 private:
  /// The family of `show NAME`; a lone NAME is short for it. "": none is asked for.
  std::string shown_family() const {
    if (action_ == "show" && name_.empty()) throw UsageError("show needs a family's name");
    if (action_ == "show") return name_;
    if (!name_.empty()) throw UsageError(fmt::format("families can show, not '{}'", action_));
    return action_;
  }

  void show_one(const family::FamilyLibrary& library, const std::string& name) const {
    const family::Family* one = library.find(name);
    if (!one) {
      const std::string near = nearest(name, library.names());
      throw LoadError({.what = fmt::format("there is no family '{}'", name),
                       .where = {},
                       .expected = fmt::format("one of {}", fmt::join(library.names(), ", ")),
                       .found = {},
                       .advice = near.empty() ? "" : fmt::format("Did you mean {}?", near)});
    }
    if (!json_) {
      fmt::print("{}", family::family_text(*one));
      return;
    }
    Array lines;
    for (const family::FamilyLine& line : family::family_lines(*one)) {
      Table entry;
      entry.set("section", line.section);
      entry.set("key", line.key);
      entry.set("value", line.value);
      entry.set("origin", line.origin);
      lines.emplace_back(std::move(entry));
    }
    fmt::print("{}\n", json::dump(Value(std::move(lines)), 2));
  }

  static void show_table(const family::FamilyLibrary& library) {
    const std::vector<family::FamilyRow> rows = family::family_rows(library);
    const auto joined = [](const std::vector<std::string>& words) {
      return fmt::format("{}", fmt::join(words, ", "));
    };
    size_t name = 6, types = 10, blocks = 6;
    for (const family::FamilyRow& row : rows) {
      name = std::max(name, row.name.size());
      types = std::max(types, joined(row.model_types).size());
      blocks = std::max(blocks, joined(row.blocks).size());
    }
    constexpr size_t kMostColumns = 64;  // longer lists stand out on their own line alone
    types = std::min(types, kMostColumns), blocks = std::min(blocks, kMostColumns);
    fmt::print("{:{}}  {:{}}  {:{}}  {}\n", "FAMILY", name, "MODEL_TYPE", types, "BLOCKS", blocks, "EXAMPLE");
    for (const family::FamilyRow& row : rows)
      fmt::print("{:{}}  {:{}}  {:{}}  {}\n", row.name, name, joined(row.model_types), types,
                 joined(row.blocks), blocks, printable(row.example));
  }

  std::string action_, name_;
  std::optional<std::string> file_;
  bool json_ = false, names_ = false, markdown_ = false;
};

}  // namespace

std::unique_ptr<Command> make_families() { return std::make_unique<Families>(); }

}  // namespace varve::app
