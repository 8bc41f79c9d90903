// varve pull NAME
#include <fmt/format.h>

#include "commands.h"
#include "core/json.h"
#include "models.h"
#include "terminal.h"

namespace varve::app {

namespace {

class Pull : public Command {
 public:
  About about() const override {
    return {.name = "pull",
            .summary = "Fetch a model",
            .examples =
                "  varve pull smollm2             fetch the default model (98 MB)\n"
                "  VARVE_HOME=/data varve pull smollm2"};
  }
  void declare(Options& options) override {
    options.positional({"NAME", "", "A model card's name; `varve list` shows them"}, name_, true);
    options.flag("--json", "Print name, path and licence as JSON", json_);
  }
  int run() override {
    const store::Store store = open_store();
    const Result<store::Located> found = store.resolve(name_);
    if (!found)
      throw LoadError(
          {.what = found.error().message, .where = {}, .expected = {}, .found = {}, .advice = {}});
    if (!found.value().card)
      throw LoadError({.what = fmt::format("{} is on this machine already; only cards can be pulled", name_),
                       .where = {},
                       .expected = {},
                       .found = found.value().path.string(),
                       .advice = "`varve run` takes it as it is."});
    const store::Card& card = *found.value().card;
    const std::filesystem::path path = pull_with_bar(store, card);
    if (json_) {
      Table facts;
      facts.set("name", card.name);
      facts.set("path", path.string());
      facts.set("licence", card.licence);
      fmt::print("{}\n", json::dump(Value(std::move(facts)), 2));
    } else {
      fmt::print("{}\n", path.string());
    }
    return 0;
  }

 private:
  std::string name_;
  bool json_ = false;
};

}  // namespace

std::unique_ptr<Command> make_pull() { return std::make_unique<Pull>(); }

}  // namespace varve::app
