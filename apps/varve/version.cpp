// varve version
#include "version.h"

#include <fmt/format.h>

#include "commands.h"
#include "core/json.h"

namespace varve::app {

namespace {

class Version : public Command {
 public:
  About about() const override {
    return {.name = "version", .summary = "Print the version", .examples = "  varve version --json"};
  }
  void declare(Options& options) override { options.flag("--json", "Print an object", json_); }
  int run() override {
    if (json_) {
      Table facts;
      facts.set("version", kVersion);
      facts.set("compiler", __VERSION__);
      fmt::print("{}\n", json::dump(Value(std::move(facts)), 2));
    } else {
      fmt::print("varve {}\n", kVersion);
    }
    return 0;
  }

 private:
  bool json_ = false;
};

}  // namespace

std::unique_ptr<Command> make_version() { return std::make_unique<Version>(); }

}  // namespace varve::app
