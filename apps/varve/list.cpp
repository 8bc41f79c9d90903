// varve list
#include <fmt/format.h>

#include <algorithm>

#include "commands.h"
#include "core/json.h"
#include "models.h"
#include "terminal.h"

namespace varve::app {

namespace {

Value to_value(const store::Entry& entry) {
  Table row;
  row.set("name", entry.name);
  row.set("here", entry.here());
  row.set("bytes", entry.bytes);
  row.set("licence", entry.licence);
  row.set("source", entry.source);
  row.set("path", entry.here() ? Value(entry.path.string()) : Value());
  return row;
}

class List : public Command {
 public:
  About about() const override {
    return {.name = "list",
            .summary = "Show the models that are here and those that can be pulled",
            .examples = "  varve list\n  varve list --json"};
  }
  void declare(Options& options) override {
    options.flag("--json", "Print a list of objects", json_);
    options.flag("--names", "Print names only, one per line", names_);
  }
  int run() override {
    const std::vector<store::Entry> entries = open_store().list();
    if (json_) {
      Array rows;
      for (const store::Entry& entry : entries) rows.push_back(to_value(entry));
      fmt::print("{}\n", json::dump(Value(std::move(rows)), 2));
    } else if (names_) {
      for (const store::Entry& entry : entries) fmt::print("{}\n", printable(entry.name));
    } else {
      print_table(entries);
    }
    return 0;
  }

 private:
  static void print_table(const std::vector<store::Entry>& entries) {
    size_t width = 4;
    for (const store::Entry& entry : entries) width = std::max(width, entry.name.size());
    fmt::print("{:{}}  {:10}  {:>9}  {:12}  {}\n", "NAME", width, "STATE", "SIZE", "LICENCE", "SOURCE");
    for (const store::Entry& entry : entries)
      fmt::print("{:{}}  {:10}  {:>9}  {:12}  {}\n", printable(entry.name), width,
                 entry.here() ? "here" : "not pulled", size_text(entry.bytes),
                 entry.licence.empty() ? "-" : printable(entry.licence), printable(entry.source));
  }

  bool json_ = false;
  bool names_ = false;
};

}  // namespace

std::unique_ptr<Command> make_list() { return std::make_unique<List>(); }

}  // namespace varve::app
