// varve rm NAME
#include <fmt/format.h>

#include "commands.h"
#include "core/json.h"
#include "models.h"
#include "terminal.h"

namespace varve::app {

namespace {

class Rm : public Command {
 public:
  About about() const override {
    return {.name = "rm",
            .summary = "Delete a model that was pulled",
            .examples = "  varve rm smollm2\n  varve rm smollm2 --json"};
  }
  void declare(Options& options) override {
    options.positional({"NAME", "", "A pulled model's name"}, name_, true);
    options.flag("--json", "Print name and bytes as JSON", json_);
  }
  int run() override {
    const Result<store::Entry> removed = open_store().remove(name_);
    if (!removed)
      throw LoadError(
          {.what = removed.error().message, .where = {}, .expected = {}, .found = {}, .advice = {}});
    if (json_) {
      Table facts;
      facts.set("name", removed.value().name);
      facts.set("bytes", removed.value().bytes);
      fmt::print("{}\n", json::dump(Value(std::move(facts))));
      return 0;
    }
    fmt::print("removed {} ({})\n", removed.value().name, size_text(removed.value().bytes));
    return 0;
  }

 private:
  std::string name_;
  bool json_ = false;
};

}  // namespace

std::unique_ptr<Command> make_rm() { return std::make_unique<Rm>(); }

}  // namespace varve::app
