// varve inspect MODEL
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "commands.h"
#include "convert/recipe.h"
#include "core/json.h"
#include "core/system_memory.h"
#include "family/resolve.h"
#include "family/show.h"
#include "models.h"
#include "nn/loader.h"
#include "nn/model.h"
#include "runtime/text_files.h"
#include "runtime/traffic.h"
#include "terminal.h"

namespace varve::app {

namespace {

struct Inventory {
  struct Line {
    int64_t tensors = 0;
    uint64_t bytes = 0;
  };
  std::map<std::string, Line> by_format;  // as stored: "BF16", "U32", "Q4_1"
  uint64_t bytes = 0;
};

std::string stored_type(const checkpoint::Tensor& tensor) {
  const std::string_view block = checkpoint::block_name(tensor.block);
  return std::string(block.empty() ? dtype_name(tensor.dtype) : block);
}

Inventory inventory_of(const checkpoint::Checkpoint& checkpoint) {
  Inventory inventory;
  for (const auto& [name, tensor] : checkpoint.tensors) {
    Inventory::Line& line = inventory.by_format[stored_type(tensor)];
    ++line.tensors;
    line.bytes += tensor.bytes.size();
  }
  inventory.bytes = checkpoint.total_bytes();
  return inventory;
}

/// The checkpoint's own tensors under their canonical names, as the blocks will see them.
Array canonical_tensors(nn::WeightSource& weights) {
  std::vector<std::string> names = weights.names();
  std::sort(names.begin(), names.end());
  Array list;
  for (const std::string& name : names) {
    const auto info = weights.find(name);
    if (!info) continue;
    Table entry;
    entry.set("name", name);
    entry.set("shape", Array(info->shape.begin(), info->shape.end()));
    entry.set("format", convert::format_text(info->format));
    entry.set("bytes", info->stored_bytes);
    list.emplace_back(std::move(entry));
  }
  return list;
}

Array texts(const std::vector<std::string>& words) { return Array(words.begin(), words.end()); }

/// Everything that is known, as one document; the text form prints the same.
class Report {
 public:
  explicit Report(const store::Located& located, const family::FamilyLibrary& library)
      : checkpoint_(checkpoint::Checkpoint::open(located.path)), inventory_(inventory_of(checkpoint_)) {
    facts_.set("model", located.name);
    facts_.set("path", located.path.string());
    facts_.set("layout", checkpoint_.layout == checkpoint::Checkpoint::Layout::gguf ? "gguf" : "safetensors");
    read_text();
    try {
      resolved_ = family::resolve(checkpoint_, library);
      read_family();
      read_memory();
      check_tensors();
    } catch (const LoadError& error) {
      refused_.emplace_back(error.what());
    }
    read_inventory();
    facts_.set("inferred", resolved_ ? texts(resolved_->inferred) : Array());
    facts_.set("warnings", resolved_ ? texts(resolved_->warnings) : Array());
    facts_.set("refused", texts(refused_));
  }

  bool usable() const { return refused_.empty(); }
  const Table& facts() const { return facts_; }
  const std::vector<std::string>& refused() const { return refused_; }

 private:
  void read_family() {
    Table family;
    family.set("name", resolved_->family);
    family.set("file", resolved_->file);
    family.set("matched_by", resolved_->matched_by);
    facts_.set("family", std::move(family));
    facts_.set("spec", family::spec_table(resolved_->spec));
    Array origins;
    for (const family::Origin& origin : resolved_->origins) {
      Table entry;
      entry.set("layers", origin.kind);
      entry.set("name", origin.name);
      entry.set("value", origin.value);
      entry.set("from", origin.from);
      entry.set("inferred", origin.inferred);
      origins.emplace_back(std::move(entry));
    }
    facts_.set("origins", std::move(origins));
    facts_.set("left_out", texts(resolved_->left_out));
  }

  void read_memory() {
    const auto per_thousand = [&](ops::Precision precision) {
      const nn::StateLayout layout = nn::state_layout(resolved_->spec, precision);
      return layout.page_bytes * 1000 / ops::kPageTokens;
    };
    Table memory;
    memory.set("weights_bytes", runtime::traffic_of(resolved_->spec, *resolved_->weights).weight_bytes);
    memory.set("kv_bytes_per_1000_tokens_fast", per_thousand(ops::Precision::fast));
    memory.set("kv_bytes_per_1000_tokens_exact", per_thousand(ops::Precision::exact));
    memory.set("state_bytes_per_sequence",
               nn::state_layout(resolved_->spec, ops::Precision::fast).slot_bytes);
    memory.set("available_bytes", available_memory());
    facts_.set("memory", std::move(memory));
  }

  void check_tensors() {
    nn::CheckBinder binder(*resolved_->weights);
    nn::bind_model(resolved_->spec, binder);
    binder.finish();
  }

  void read_inventory() {
    Array lines;
    for (const auto& [format, line] : inventory_.by_format) {
      Table entry;
      entry.set("type", format);
      entry.set("tensors", line.tensors);
      entry.set("bytes", line.bytes);
      lines.emplace_back(std::move(entry));
    }
    facts_.set("stored", std::move(lines));
    facts_.set("stored_bytes", inventory_.bytes);
    facts_.set("quantization", quantization());
    facts_.set("tensors", resolved_ ? canonical_tensors(*resolved_->weights) : stored_tensors());
  }

  Array stored_tensors() const {
    Array list;
    for (const auto& [name, tensor] : checkpoint_.tensors) {
      Table entry;
      entry.set("name", name);
      entry.set("shape", Array(tensor.shape.begin(), tensor.shape.end()));
      entry.set("format", stored_type(tensor));
      entry.set("bytes", static_cast<uint64_t>(tensor.bytes.size()));
      list.emplace_back(std::move(entry));
    }
    return list;
  }

  Value quantization() const {
    const checkpoint::Quantization& from = checkpoint_.quantization;
    if (!from.any()) return {};
    const auto describe = [&](const std::optional<checkpoint::QuantScheme>& scheme) {
      return scheme ? Value(fmt::format("{} {}-bit, group {}", checkpoint::mode_name(scheme->mode),
                                        scheme->bits, scheme->group_size))
                    : Value("not quantised");
    };
    Table table;
    if (from.fallback) table.set("default", describe(from.fallback));
    Table modules;
    for (const auto& [module, scheme] : from.modules) modules.set(module, describe(scheme));
    table.set("modules", std::move(modules));
    return Value(std::move(table));
  }

  void read_text() {
    Table text;
    try {
      const auto loaded = runtime::load_text(checkpoint_);
      text.set("vocabulary", loaded->tokenizer().vocab_size());
      text.set("templates", texts(loaded->templates().names()));
    } catch (const LoadError& error) {
      text.set("missing", error.what());
      // A model without a tokenizer runs on ids; one whose tokenizer is there and broken was meant to read
      // text.
      if (runtime::holds_text(checkpoint_)) refused_.emplace_back(error.what());
    }
    facts_.set("text", std::move(text));
  }

  checkpoint::Checkpoint checkpoint_;
  Inventory inventory_;
  std::optional<family::Resolved> resolved_;
  std::vector<std::string> refused_;
  Table facts_;
};

class Inspect : public Command {
 public:
  About about() const override {
    return {.name = "inspect",
            .summary = "Say what a model is and whether it would run, before loading it",
            .examples =
                "  varve inspect smollm2\n"
                "  varve inspect path/to/model --tensors\n"
                "  varve inspect path/to/model.gguf --json"};
  }
  void declare(Options& options) override {
    options.positional(
        {"MODEL", "", "A card's name, a directory, a .gguf file, or org/name in Hugging Face's cache"},
        model_, true);
    options.text({"--family", "FILE", "Use this family file instead of the one that matches"}, family_);
    options.flag("--tensors", "List every tensor", tensors_);
    options.flag("--json", "Print one object with everything", json_);
  }

  int run() override {
    const auto library = family::FamilyLibrary::open(
        {.user_dir = family::FamilyLibrary::default_user_dir(), .file = family_.value_or("")});
    const Report report(locate_model(open_store(), model_), library);
    if (json_)
      fmt::print("{}\n", json::dump(Value(report.facts()), 2));
    else
      print(Value(report.facts()));
    if (report.usable()) return 0;
    throw LoadError({.what = fmt::format("{}", fmt::join(report.refused(), "\n")),
                     .where = {},
                     .expected = {},
                     .found = {},
                     .advice = {}});
  }

 private:
  static std::string short_value(const Value& value) {
    return value.is_text() ? printable(value.text()) : json::dump(value);
  }

  void print(const Value& facts) const {
    const auto line = [](const char* label, const std::string& text) {
      fmt::print("{:14}{}\n", label, text);
    };
    const auto size = [](const Value* value) { return size_text(static_cast<uint64_t>(value->integer())); };
    line("model", printable(facts.find("path")->text()));
    line("layout", facts.find("layout")->text());
    if (const Value* family = facts.find("family"))
      line("family",
           fmt::format("{} by {} ({})", family->find("name")->text(), family->find("matched_by")->text(),
                       printable(family->find("file")->text())));
    for (const Value& stored : facts.find("stored")->array())
      line("stored", fmt::format("{} {} tensors, {}", stored.find("tensors")->integer(),
                                 stored.find("type")->text(), size(stored.find("bytes"))));
    print_quantization(*facts.find("quantization"));
    const Value& text = *facts.find("text");
    if (const Value* missing = text.find("missing"))
      line("text", printable(one_line(missing->text())));
    else
      line("text", fmt::format("{} tokens, {} chat templates", text.find("vocabulary")->integer(),
                               text.find("templates")->array().size()));
    if (const Value* memory = facts.find("memory")) {
      line("weights", size(memory->find("weights_bytes")));
      line("1000 tokens",
           fmt::format("{} fast, {} exact", size(memory->find("kv_bytes_per_1000_tokens_fast")),
                       size(memory->find("kv_bytes_per_1000_tokens_exact"))));
      if (memory->find("state_bytes_per_sequence")->integer() > 0)
        line("a sequence", fmt::format("{} of state", size(memory->find("state_bytes_per_sequence"))));
      line("free memory", size(memory->find("available_bytes")));
    }
    for (const Value& one : facts.find("inferred")->array()) line("inferred", printable(one.text()));
    if (const Value* origins = facts.find("origins")) print_origins(origins->array());
    if (tensors_) print_tensors(facts.find("tensors")->array());
    for (const Value& warning : facts.find("warnings")->array()) line("warning", printable(warning.text()));
  }

  static void print_quantization(const Value& quantization) {
    if (!quantization.is_table()) return;
    if (const Value* all = quantization.find("default")) fmt::print("{:14}{}\n", "quantised", all->text());
    const Table& modules = quantization.find("modules")->table();
    if (!modules.empty()) fmt::print("{:14}{} modules differ\n", "", modules.size());
  }

  static void print_origins(const Array& origins) {
    fmt::print("\n");
    for (const Value& origin : origins) {
      const std::string layers = origin.find("layers")->text();
      const std::string name = origin.find("name")->text() + (layers.empty() ? "" : " (" + layers + ")");
      fmt::print("  {:34} {:18} {}{}\n", name, short_value(*origin.find("value")),
                 printable(origin.find("from")->text()),
                 origin.find("inferred")->boolean() ? " (inferred)" : "");
    }
  }

  static void print_tensors(const Array& tensors) {
    fmt::print("\n");
    for (const Value& tensor : tensors)
      fmt::print("  {:60} {:20} {}\n", printable(tensor.find("name")->text()),
                 json::dump(*tensor.find("shape")), tensor.find("format")->text());
  }

  std::string model_;
  std::optional<std::string> family_;
  bool tensors_ = false, json_ = false;
};

}  // namespace

std::unique_ptr<Command> make_inspect() { return std::make_unique<Inspect>(); }

}  // namespace varve::app
