// varve verify DIR
#include "convert/verify.h"

#include <fmt/format.h>

#include "commands.h"
#include "core/json.h"
#include "interrupt.h"
#include "models.h"
#include "progress.h"
#include "runtime/text_files.h"
#include "terminal.h"

namespace varve::app {

namespace {

class Verify : public Command {
 public:
  About about() const override {
    return {.name = "verify",
            .summary = "Prove that a checkpoint is whole",
            .examples =
                "  varve verify my-4bit\n"
                "  varve verify my-4bit --json"};
  }
  void declare(Options& options) override {
    options.positional(
        {"MODEL", "", "A directory, a .gguf file, a card's name or org/name in Hugging Face's cache"}, model_,
        true);
    options.text({"--family", "FILE", "Use this family file instead of the one that matches"}, family_);
    options.flag("--json", "Print one object", json_);
  }

  int run() override {
    const auto library = family::FamilyLibrary::open(
        {.user_dir = family::FamilyLibrary::default_user_dir(), .file = family_.value_or("")});
    const std::filesystem::path path = locate_model(open_store(), model_).path;
    convert::VerifyReport report;
    bool stopped = false;
    {
      const InterruptScope interrupts(InterruptScope::Signals::ending);
      ProgressBar bar(errors_take_escapes());
      report = convert::verify(path, library, {.progress = [&](uint64_t done, uint64_t total) {
                                 bar.update("verifying", done, total);
                                 return !interrupts.pending();
                               }});
      stopped = interrupts.pending();
    }
    check_text(path, report);
    if (json_)
      print_json(path, report);
    else
      print(report);
    if (stopped) return 130;
    return report.wrong.empty() ? 0 : 1;
  }

 private:
  static void check_text(const std::filesystem::path& path, convert::VerifyReport& report) {
    std::error_code error;
    if (!std::filesystem::is_directory(path, error)) return;
    if (!std::filesystem::exists(path / "tokenizer.json", error) &&
        !std::filesystem::exists(path / "tokenizer.model", error)) {
      report.unchecked.emplace_back("the tokenizer: there is none");
      return;
    }
    try {
      runtime::load_text(path);
    } catch (const LoadError& refused) {
      report.wrong.push_back(one_line(refused.what()));
    }
  }

  static void print(const convert::VerifyReport& report) {
    for (const std::string& line : report.wrong) fmt::print("wrong: {}\n", printable(line));
    for (const std::string& line : report.unchecked) fmt::print("not checked: {}\n", printable(line));
    fmt::print("{}: {} tensors, {}, {} digests compared\n", report.wrong.empty() ? "whole" : "damaged",
               report.tensors, size_text(report.bytes), report.digests);
  }

  static void print_json(const std::filesystem::path& path, const convert::VerifyReport& report) {
    Table facts;
    facts.set("path", path.string());
    facts.set("whole", report.wrong.empty());
    facts.set("wrong", Array(report.wrong.begin(), report.wrong.end()));
    facts.set("unchecked", Array(report.unchecked.begin(), report.unchecked.end()));
    facts.set("tensors", report.tensors);
    facts.set("bytes", report.bytes);
    facts.set("digests", report.digests);
    fmt::print("{}\n", json::dump(Value(std::move(facts)), 2));
  }

  std::string model_;
  std::optional<std::string> family_;
  bool json_ = false;
};

}  // namespace

std::unique_ptr<Command> make_verify() { return std::make_unique<Verify>(); }

}  // namespace varve::app
