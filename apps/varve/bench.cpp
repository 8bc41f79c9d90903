// varve bench MODEL|--synthetic NAME
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>

#include "commands.h"
#include "core/json.h"
#include "kernels/backend.h"
#include "kernels/probe.h"
#include "load.h"
#include "pages.h"
#include "progress.h"
#include "runtime/synthetic.h"
#include "runtime/traffic.h"
#include "terminal.h"

namespace varve::app {

namespace {

constexpr int64_t kStepTokens = 512;  // as the engine cuts prompts
constexpr size_t kProbeBytes = size_t{512} << 20;

double seconds_of(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

/// A model and what it runs on, whether loaded or made up.
struct Subject {
  std::string name;
  std::unique_ptr<runtime::LoadedModel> loaded;
  std::unique_ptr<ThreadPool> own_pool;
  std::unique_ptr<ops::Backend> own_backend;
  std::unique_ptr<nn::Model> own_model;
  runtime::Traffic traffic;

  nn::Model& model() { return loaded ? loaded->model() : *own_model; }
  ops::Backend& backend() { return loaded ? loaded->backend() : *own_backend; }
  ThreadPool& pool() { return loaded ? loaded->pool() : *own_pool; }
};

struct Plan {
  int64_t prompt = 512;
  int64_t decode = 64;
  int64_t depth = 0;
  int64_t batch = 1;
  int64_t repeat = 5;
};

/// Runs the steps of a plan; token ids are arbitrary, the same every time.
class Steps {
 public:
  Steps(Subject& subject, const Plan& plan)
      : model_(subject.model()),
        backend_(subject.backend()),
        plan_(plan),
        pages_(model_.state(), plan.depth + std::max(plan.prompt, plan.decode), plan.batch),
        logits_(static_cast<size_t>(plan.batch * model_.spec().vocab)) {
    for (int64_t at = 0; at < plan.depth; at += kStepTokens)
      chunk(at, std::min(kStepTokens, plan.depth - at));
    pages_.copy_first();
  }

  void prompt() {
    for (int64_t done = 0; done < plan_.prompt; done += kStepTokens)
      chunk(plan_.depth + done, std::min(kStepTokens, plan_.prompt - done));
  }
  void decode() {
    for (int64_t token = 0; token < plan_.decode; ++token) {
      nn::Step step;
      for (int64_t sequence = 0; sequence < plan_.batch; ++sequence) {
        step.tokens.push_back(id(token + 7 * sequence));
        step.slices.push_back(pages_.slice(sequence, sequence, 1, plan_.depth + token));
        step.logit_rows.push_back(static_cast<int32_t>(sequence));
      }
      model_.forward(step, backend_, {.logits = logits_.data(), .hidden = {}});
    }
  }

 private:
  int32_t id(int64_t number) const {
    return static_cast<int32_t>((number * 7919 + 11) % model_.spec().vocab);
  }
  void chunk(int64_t position, int64_t count) {
    nn::Step step;
    for (int64_t row = 0; row < count; ++row) step.tokens.push_back(id(position + row));
    step.slices.push_back(pages_.slice(0, 0, count, position));
    step.logit_rows.push_back(static_cast<int32_t>(count - 1));
    model_.forward(step, backend_, {.logits = logits_.data(), .hidden = {}});
  }

  nn::Model& model_;
  ops::Backend& backend_;
  Plan plan_;
  SequencePages pages_;
  std::vector<float> logits_;
};

/// Figures of one run, in tokens a second and as shares of the probes.
struct Figures {
  double bandwidth_gbs = 0, int8_gops = 0;
  double prompt_rate = 0, decode_rate = 0;
  double prompt_gops = 0, decode_gbs = 0;
};

class Bench : public Command {
 public:
  About about() const override {
    return {.name = "bench",
            .summary = "Measure prompt and decode speed, beside what the machine can do",
            .examples =
                "  varve bench smollm2\n"
                "  varve bench --synthetic smollm-135m-4bit --depth 4096\n"
                "  varve bench smollm2 --batch 8 --threads 2 --precision exact --json"};
  }
  void declare(Options& options) override {
    model_.declare(options, false);
    options.choice({"--synthetic", "NAME", "Random weights in a real model's shape instead of a MODEL"},
                   runtime::synthetic_names(), synthetic_);
    options.integer({"--prompt-tokens", "N", "Tokens of the prompt (512)"}, {1, 1 << 20}, prompt_);
    options.integer({"--decode-tokens", "N", "Tokens of the answer (64)"}, {1, 1 << 20}, decode_);
    options.integer({"--depth", "N", "Tokens that are in the context already (0)"}, {0, 1 << 24}, depth_);
    options.integer({"--batch", "N", "Sequences that decode together (1)"}, {1, 4096}, batch_);
    options.integer({"--repeat", "N", "Runs; the median counts (5)"}, {1, 1000}, repeat_);
    options.flag("--json", "Print one object", json_);
  }

  int run() override {
    if (model_.model.empty() == synthetic_.empty())
      throw UsageError("give a MODEL or --synthetic NAME, one of them");
    if (!synthetic_.empty() && (model_.family || model_.context))
      throw UsageError("--family and --context are for a MODEL, not for --synthetic");
    const Plan plan{.prompt = prompt_.value_or(512),
                    .decode = decode_.value_or(64),
                    .depth = depth_.value_or(0),
                    .batch = batch_.value_or(1),
                    .repeat = repeat_.value_or(5)};
    Subject subject = synthetic_.empty() ? load(plan) : make();
    const Figures figures = measure(subject, plan);
    if (json_)
      print_json(subject, plan, figures);
    else
      print_table(subject, plan, figures);
    return 0;
  }

 private:
  Subject load(const Plan& plan) {
    if (!model_.context) model_.context = plan.depth + std::max(plan.prompt, plan.decode) + 1;
    Subject subject;
    subject.name = model_.model;
    subject.loaded = load_model(model_);
    subject.traffic = subject.loaded->traffic();
    return subject;
  }

  Subject make() const {
    Subject subject;
    subject.name = synthetic_;
    runtime::SyntheticModel made = runtime::make_synthetic(synthetic_);
    subject.traffic = runtime::traffic_of(made.spec, *made.weights);
    subject.own_pool =
        std::make_unique<ThreadPool>(static_cast<int>(model_.threads.value_or(ThreadPool::usable_cores())));
    subject.own_backend = runtime::open_backend(model_.precision_value(), *subject.own_pool);
    ProgressBar bar(errors_take_escapes());
    nn::Model::Options options{.precision = model_.precision_value(), .progress = {}};
    if (errors_are_terminal())
      options.progress = [&](uint64_t done, uint64_t total) { bar.update("making weights", done, total); };
    subject.own_model = nn::Model::load(made.spec, *made.weights, options);
    bar.erase();
    return subject;
  }

  static Figures measure(Subject& subject, const Plan& plan) {
    Figures figures;
    Steps steps(subject, plan);
    steps.prompt();  // once to warm up
    std::vector<double> bandwidth, peak, prompt, decode;
    for (int64_t run = 0; run < plan.repeat; ++run) {
      // The probes stand between the runs: whatever else the machine does slows both alike.
      bandwidth.push_back(kernels::read_bandwidth_gbs(subject.pool(), kProbeBytes));
      peak.push_back(kernels::int8_peak_gops(subject.pool()));
      prompt.push_back(seconds_of([&] { steps.prompt(); }));
      decode.push_back(seconds_of([&] { steps.decode(); }));
    }
    figures.bandwidth_gbs = median(bandwidth);
    figures.int8_gops = median(peak);
    figures.prompt_rate = static_cast<double>(plan.prompt) / median(prompt);
    figures.decode_rate = static_cast<double>(plan.decode * plan.batch) / median(decode);
    figures.prompt_gops = figures.prompt_rate * static_cast<double>(subject.traffic.prompt_operations) / 1e9;
    figures.decode_gbs = figures.decode_rate / static_cast<double>(plan.batch) *
                         static_cast<double>(subject.traffic.decode_bytes) / 1e9;
    return figures;
  }

  std::string backend_name() const {
    const std::string forced = kernels::forced_backend();
    return forced.empty() ? kernels::backend_names().front() : forced;
  }

  void print_table(Subject& subject, const Plan& plan, const Figures& f) const {
    fmt::print("{}: {}, {} precision, {} threads, depth {}, batch {}, median of {}\n",
               printable(subject.name), backend_name(), model_.precision, subject.pool().threads(),
               plan.depth, plan.batch, plan.repeat);
    fmt::print("{:8}  {:>7}  {:>10}  {}\n", "", "tokens", "tokens/s", "against the probe of this run");
    fmt::print(
        "{:8}  {:>7}  {:>10.1f}  {:.0f} GOPS of {:.0f} int8: {:.2f} (matrices only, attention not counted)\n",
        "prompt", plan.prompt, f.prompt_rate, f.prompt_gops, f.int8_gops, f.prompt_gops / f.int8_gops);
    fmt::print(
        "{:8}  {:>7}  {:>10.1f}  {:.1f} GB/s of {:.1f} read: {:.2f} (weights only, keys and values not "
        "counted)\n",
        "decode", plan.decode, f.decode_rate, f.decode_gbs, f.bandwidth_gbs, f.decode_gbs / f.bandwidth_gbs);
  }

  void print_json(Subject& subject, const Plan& plan, const Figures& f) const {
    Table probes;
    probes.set("read_gb_per_second", f.bandwidth_gbs);
    probes.set("int8_gops", f.int8_gops);
    Table prompt;
    prompt.set("tokens", plan.prompt);
    prompt.set("tokens_per_second", f.prompt_rate);
    prompt.set("gops", f.prompt_gops);
    prompt.set("share_of_probe", f.prompt_gops / f.int8_gops);
    Table decode;
    decode.set("tokens", plan.decode);
    decode.set("tokens_per_second", f.decode_rate);
    decode.set("gb_per_second", f.decode_gbs);
    decode.set("share_of_probe", f.decode_gbs / f.bandwidth_gbs);
    Table facts;
    facts.set("model", subject.name);
    facts.set("backend", backend_name());
    facts.set("precision", model_.precision);
    facts.set("threads", subject.pool().threads());
    facts.set("depth", plan.depth);
    facts.set("batch", plan.batch);
    facts.set("repeat", plan.repeat);
    facts.set("weight_bytes", subject.traffic.weight_bytes);
    facts.set("probes", std::move(probes));
    facts.set("prompt", std::move(prompt));
    facts.set("decode", std::move(decode));
    fmt::print("{}\n", json::dump(Value(std::move(facts)), 2));
  }

  ModelOptions model_;
  std::string synthetic_;
  std::optional<int64_t> prompt_, decode_, depth_, batch_, repeat_;
  bool json_ = false;
};

}  // namespace

std::unique_ptr<Command> make_bench() { return std::make_unique<Bench>(); }

}  // namespace varve::app
