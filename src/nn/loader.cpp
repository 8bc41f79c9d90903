#include "nn/loader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/checked.h"
#include "core/error.h"

namespace varve::nn {

namespace {

std::string shape_text(const std::vector<int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

constexpr size_t kMost = 12;  // lines of a list that are told

/// The first lines, and how many more there are.
void append_lines(std::string& text, std::string_view title, const std::vector<std::string>& lines) {
  if (lines.empty()) return;
  text += fmt::format("\n  {} ({}):", title, lines.size());
  for (size_t i = 0; i < std::min(lines.size(), kMost); ++i) text += "\n    " + lines[i];
  if (lines.size() > kMost) text += fmt::format("\n    ... and {} more", lines.size() - kMost);
}

}  // namespace

std::string PathBinder::full(std::string_view name) const {
  std::string text;
  for (const std::string& part : path_) text += part + ".";
  return text.append(name);
}

void CheckBinder::expect(const std::string& name, std::vector<int64_t> shape, Presence presence) {
  if (presence == Presence::absent) return;  // if it is there, it stays unclaimed and is reported
  const std::optional<WeightSource::Info> info = source_.find(name);
  if (!info) {
    if (presence == Presence::required) missing_.push_back(fmt::format("{} {}", name, shape_text(shape)));
    return;
  }
  stored_bytes_ += static_cast<uint64_t>(info->stored_bytes);
  if (info->shape == shape) return;
  // A vector may be stored with dimensions of 1 around it.
  if (shape.size() == 1 && checked_elements(info->shape) == shape[0]) return;
  misshapen_.push_back(
      fmt::format("{}: expected {}, found {}", name, shape_text(shape), shape_text(info->shape)));
}

void CheckBinder::linear(std::string_view name, const LinearShape& shape, Linear& /*into*/) {
  expect(full(name) + ".weight", {shape.out, shape.in}, Presence::required);
  expect(full(name) + ".bias", {shape.out}, shape.bias);
}

void CheckBinder::experts(std::string_view name, int64_t count, const LinearShape& shape,
                          ExpertLinear& /*into*/) {
  expect(full(name) + ".weight", {count, shape.out, shape.in}, Presence::required);
  expect(full(name) + ".bias", {count, shape.out}, shape.bias);
}

void CheckBinder::vector(std::string_view name, int64_t size, Presence presence, Vector& /*into*/) {
  expect(full(name), {size}, presence);
}

void CheckBinder::finish() const {
  std::vector<std::string> unclaimed, spare;
  for (const WeightSource::Unclaimed& u : source_.unclaimed()) {
    unclaimed.push_back(u.stored == u.canonical ? u.stored
                                                : fmt::format("{} (as {})", u.stored, u.canonical));
    spare.push_back(u.canonical);
  }
  if (missing_.empty() && misshapen_.empty() && unclaimed.empty()) return;
  std::vector<std::string> missing = missing_;
  constexpr size_t kMostCompared = 20'000;  // comparing every name with every other takes its time
  for (size_t i = 0; i < std::min(missing.size(), kMost) && spare.size() <= kMostCompared; ++i) {
    std::string& line = missing[i];
    const std::string near = nearest(line.substr(0, line.find(' ')), spare);
    if (!near.empty()) line += fmt::format("; nearest that nobody uses: {}", near);
  }
  std::string text = "the tensors do not fit the config";
  append_lines(text, "absent", missing);
  append_lines(text, "of another shape", misshapen_);
  append_lines(text, "in the checkpoint but used by nothing", unclaimed);
  throw LoadError({.what = std::move(text),
                   .where = source_.where(),
                   .expected = {},
                   .found = {},
                   .advice = "Compare the config's sizes (layers, heads, widths) with the tensors: "
                             "`varve inspect` prints both. A damaged download shows here too."});
}

void LoadBinder::add(uint64_t bytes) {
  done_ += bytes;
  if (progress_) progress_(std::min(done_, total_), total_);
}

void LoadBinder::linear(std::string_view name, const LinearShape& shape, Linear& into) {
  const std::string weight = full(name) + ".weight";
  const SourceMatrix matrix = source_.matrix(weight);
  into.weight = ops::pack(matrix.view);
  add(static_cast<uint64_t>(matrix.view.total_bytes()));
  vector(std::string(name) + ".bias", shape.out, shape.bias, into.bias);
}

void LoadBinder::experts(std::string_view name, int64_t count, const LinearShape& shape, ExpertLinear& into) {
  const std::string weight = full(name) + ".weight";
  into.experts.resize(static_cast<size_t>(count));
  Vector biases;
  vector(std::string(name) + ".bias", count * shape.out, shape.bias, biases);
  for (int64_t e = 0; e < count; ++e) {
    Linear& expert = into.experts[static_cast<size_t>(e)];
    const SourceMatrix matrix = source_.matrix(weight, e);
    expert.weight = ops::pack(matrix.view);
    add(static_cast<uint64_t>(matrix.view.total_bytes()));
    if (!biases.empty())
      expert.bias.values.assign(biases.values.begin() + e * shape.out,
                                biases.values.begin() + (e + 1) * shape.out);
  }
}

void LoadBinder::vector(std::string_view name, int64_t /*size*/, Presence presence, Vector& into) {
  if (presence == Presence::absent) return;
  const std::string tensor = full(name);
  if (!source_.find(tensor)) return;
  into.values = source_.numbers(tensor);
  add(into.values.size() * sizeof(float));
}

}  // namespace varve::nn
