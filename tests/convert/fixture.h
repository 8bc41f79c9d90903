#pragma once
// Conversions of small checkpoints for tests, on the scalar truth and one thread unless said otherwise.
#include <gmock/gmock.h>

#include <map>
#include <string>

#include "convert/convert.h"
#include "core/file.h"
#include "core/json.h"
#include "family/mlx_form.h"
#include "kernels/backend.h"
#include "support/data.h"
#include "support/errors.h"

namespace varve::convert::fixture {

using test::error_of;

/// A checkpoint opened for conversion.
struct Source {
  explicit Source(const std::filesystem::path& path)
      : checkpoint(checkpoint::Checkpoint::open(path)),
        form(family::mlx_form(checkpoint, family::FamilyLibrary::builtin())) {}
  checkpoint::Checkpoint checkpoint;
  family::MlxForm form;
};

inline std::filesystem::path golden(const std::string& name) {
  return test::source_dir() / "tests/cases/golden" / name;
}

inline Recipe recipe_of(const RecipeOptions& options) {
  auto recipe = make_recipe(options);
  EXPECT_TRUE(recipe.ok()) << (recipe.ok() ? "" : recipe.error().message);
  return recipe.ok() ? recipe.value() : Recipe{};
}

/// Runs on its own pool.
struct Engine {
  explicit Engine(int threads = 1, const std::string& backend = "ref")
      : pool(threads), made(kernels::make_backend(backend, ops::Precision::exact, pool)) {}
  Machine machine() { return {.backend = *made.value(), .pool = pool}; }
  ThreadPool pool;
  Result<std::unique_ptr<ops::Backend>> made;
};

inline Options options_to(const std::filesystem::path& destination) {
  Options options;
  options.destination = destination;
  options.version = "test";
  options.card.source = "source";
  return options;
}

/// The whole of it; a failure of the test when it does not finish.
inline Outcome convert_to(const std::filesystem::path& destination, const Source& source,
                          const RecipeOptions& recipe, Options options = {}, int threads = 1) {
  Engine engine(threads, threads > 1 ? "" : "ref");
  options.destination = destination;
  if (options.version.empty()) options.version = "test";
  if (options.card.source.empty()) options.card.source = "source";
  Outcome outcome = convert(source.checkpoint, source.form, recipe_of(recipe), options, engine.machine());
  EXPECT_TRUE(outcome.finished);
  return outcome;
}

/// Every file of a directory, by name.
inline std::map<std::string, std::string> files_in(const std::filesystem::path& directory) {
  std::map<std::string, std::string> out;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory))
    if (entry.is_regular_file())
      out[entry.path().lexically_relative(directory).string()] = read_text(entry.path(), size_t{1} << 30);
  return out;
}

}  // namespace varve::convert::fixture
