#pragma once
// The binders of loading: CheckBinder looks every tensor up and collects all problems, LoadBinder fetches
// and packs. Both walk the same bind() functions.
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "nn/binder.h"
#include "nn/weight_source.h"

namespace varve::nn {

/// Keeps the path of nested scopes.
class PathBinder : public Binder {
 public:
  void push(std::string_view child) override { path_.emplace_back(child); }
  void pop() override { path_.pop_back(); }

 protected:
  std::string full(std::string_view name) const;

 private:
  std::vector<std::string> path_;
};

/// Presence and shapes of everything a model binds.
class CheckBinder : public PathBinder {
 public:
  explicit CheckBinder(WeightSource& source) : source_(source) {}
  void linear(std::string_view name, const LinearShape& shape, Linear& into) override;
  void experts(std::string_view name, int64_t count, const LinearShape& shape, ExpertLinear& into) override;
  void vector(std::string_view name, int64_t size, Presence presence, Vector& into) override;

  /// Throws one LoadError with every problem: absent, of another shape, unclaimed.
  void finish() const;
  uint64_t stored_bytes() const { return stored_bytes_; }

 private:
  void expect(const std::string& name, std::vector<int64_t> shape, Presence presence);

  WeightSource& source_;
  std::vector<std::string> missing_, misshapen_, unwanted_;
  uint64_t stored_bytes_ = 0;
};

/// Fetches, packs, reports progress.
class LoadBinder : public PathBinder {
 public:
  using Progress = std::function<void(uint64_t done, uint64_t total)>;
  LoadBinder(WeightSource& source, uint64_t total, Progress progress)
      : source_(source), total_(total), progress_(std::move(progress)) {}
  void linear(std::string_view name, const LinearShape& shape, Linear& into) override;
  void experts(std::string_view name, int64_t count, const LinearShape& shape, ExpertLinear& into) override;
  void vector(std::string_view name, int64_t size, Presence presence, Vector& into) override;

 private:
  void add(uint64_t bytes);

  WeightSource& source_;
  uint64_t total_ = 0;
  uint64_t done_ = 0;
  Progress progress_;
};

}  // namespace varve::nn
