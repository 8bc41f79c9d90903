// Conversions that stop, and go on with the same bytes.
#include <fmt/format.h>

#include <cstring>
#include <fstream>

#include "convert/fixture.h"
#include "support/bytes.h"

namespace varve::convert {
namespace {

namespace fs = std::filesystem;
using fixture::convert_to;
using fixture::error_of;
using fixture::files_in;
using fixture::golden;
using fixture::options_to;
using fixture::Source;
using testing::HasSubstr;
using testing::Not;

const RecipeOptions kRecipe{.group_size = 32};

class Resume : public testing::Test {
 protected:
  /// Stops at the `stop`-th report of progress; whether it finished before.
  bool run_until(int stop, const RecipeOptions& recipe = kRecipe) {
    Options options = options_to(path_);
    int reports = 0;
    options.progress = [&](const Progress&) { return ++reports < stop; };
    options.note = [&](const std::string& line) { notes_ += line; };
    options.shard_bytes = 30'000;
    fixture::Engine engine;
    outcome_ =
        convert(source_.checkpoint, source_.form, fixture::recipe_of(recipe), options, engine.machine());
    return outcome_.finished;
  }
  std::map<std::string, std::string> expected() {
    Options options = options_to(whole_);
    options.shard_bytes = 30'000;
    convert_to(whole_, source_, kRecipe, options);
    return files_in(whole_);
  }
  fs::path work() const { return path_.parent_path() / ".out.partial"; }

  const Source source_{golden("llama-biases")};
  const fs::path path_ = test::scratch_dir() / "out", whole_ = test::scratch_dir() / "out";
  Outcome outcome_;
  std::string notes_;
};

TEST_F(Resume, AtEveryPointGivesTheSameFiles) {
  const auto files = expected();
  int stops = 0;
  for (int stop = 1;; ++stop) {
    fs::remove_all(path_);
    fs::remove_all(work());
    if (run_until(stop)) break;
    EXPECT_FALSE(fs::exists(path_));
    ++stops;
    ASSERT_TRUE(run_until(1 << 30));
    EXPECT_EQ(files_in(path_), files) << "stopped at " << stop;
  }
  EXPECT_GT(stops, 10);
  EXPECT_EQ(notes_, "");
}

TEST_F(Resume, DoesNotDoAgainWhatIsDone) {
  int stop = 8;
  ASSERT_FALSE(run_until(stop));
  ASSERT_TRUE(run_until(1 << 30));
  EXPECT_GT(outcome_.resumed_bytes, 0u);
  EXPECT_EQ(outcome_.resumed_bytes + outcome_.source_bytes, outcome_.plan.source_bytes);
}

TEST_F(Resume, TellsTheErrorsOfWhatAnEarlierRunMade) {
  const Source quantised(golden("mlx-affine-f16"));
  const RecipeOptions recipe{.bits = 2, .group_size = 32, .requantize = true};
  const std::vector<TensorError> all = convert_to(whole_, quantised, recipe).errors;
  ASSERT_GT(all.size(), 3u);
  Options options = options_to(path_);
  int reports = 0;
  options.progress = [&](const Progress&) { return ++reports < 12; };
  fixture::Engine engine;
  const Outcome stopped =
      convert(quantised.checkpoint, quantised.form, fixture::recipe_of(recipe), options, engine.machine());
  ASSERT_FALSE(stopped.finished);
  const Outcome rest = convert_to(path_, quantised, recipe);
  ASSERT_GT(rest.resumed_bytes, 0u);
  ASSERT_EQ(rest.errors.size(), all.size());
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(rest.errors[i].name, all[i].name);
    EXPECT_EQ(rest.errors[i].relative, all[i].relative);
  }
}

/// The K-quants of the tiny llama, with a factor that makes scales of more than float16 holds in one tensor.
fs::path wide_gguf() {
  const fs::path file = test::scratch_dir() / "model.gguf";
  std::string bytes = read_text(golden("gguf-llama-k") / "model.gguf", size_t{1} << 30);
  const auto clean = checkpoint::Checkpoint::open(golden("gguf-llama-k"));
  for (const auto& [name, tensor] : clean.tensors) {
    if (tensor.block != checkpoint::BlockType::q4_k) continue;
    const auto at = static_cast<size_t>(tensor.bytes.data() - tensor.file->bytes().data());
    const uint16_t factor = f32_to_f16(60'000.0f);
    std::memcpy(bytes.data() + at, &factor, 2);
    break;
  }
  test::write_file(file, bytes);
  return file;
}

TEST_F(Resume, ScalesThatAreTooLargeForFloat16StayFloat32AndAreKnownAfterAStop) {
  const Source wide(wide_gguf());
  Options options = options_to(whole_);
  options.note = [&](const std::string& line) { notes_ += line + "\n"; };
  const Outcome whole = convert_to(whole_, wide, {}, options);
  EXPECT_THAT(notes_, HasSubstr("have no float16"));
  EXPECT_THAT(notes_, Not(HasSubstr("plan was another")));
  int single = 0;
  for (const OutTensor& tensor : whole.plan.tensors)
    single += tensor.name.ends_with(".scales") && tensor.dtype == DType::f32;
  EXPECT_EQ(single, 1);
  EXPECT_THAT(error_of([&] { convert_to(test::scratch_dir() / "out", wide, {.dtype = "float16"}); }),
              HasSubstr("too large for the dtype"));

  notes_.clear();
  options = options_to(path_);
  options.note = [&](const std::string& line) { notes_ += line + "\n"; };
  uint64_t most = 0, before = 0;
  bool again = false;  // it began anew
  options.progress = [&](const Progress& progress) {
    again = again || progress.done < before;
    before = progress.done;
    most = again ? std::max(most, progress.done) : 0;
    return 2 * most < progress.total;
  };
  fixture::Engine engine;
  ASSERT_FALSE(
      convert(wide.checkpoint, wide.form, fixture::recipe_of({}), options, engine.machine()).finished);
  notes_.clear();
  options.progress = nullptr;
  const Outcome rest = convert_to(path_, wide, {}, options);
  EXPECT_GT(rest.resumed_bytes, 0u);
  EXPECT_EQ(notes_, "");
  EXPECT_EQ(files_in(path_), files_in(whole_));
}

TEST_F(Resume, WhatWasDamagedMeanwhileIsMadeAgain) {
  const auto files = expected();
  ASSERT_FALSE(run_until(12));
  for (const auto& entry : fs::directory_iterator(work())) {
    if (entry.path().extension() != ".safetensors") continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-3, std::ios::end);
    file.write("xyz", 3);
    file.seekp(static_cast<std::streamoff>(fs::file_size(entry.path()) / 2));
    file.write("xyz", 3);
  }
  ASSERT_TRUE(run_until(1 << 30));
  EXPECT_EQ(files_in(path_), files);
}

TEST_F(Resume, ADamagedHeaderOrACutFileIsMadeAgain) {
  const auto files = expected();
  ASSERT_FALSE(run_until(12));
  for (const auto& entry : fs::directory_iterator(work()))
    if (entry.path().extension() == ".safetensors") fs::resize_file(entry.path(), 20);
  ASSERT_TRUE(run_until(1 << 30));
  EXPECT_EQ(files_in(path_), files);
}

TEST_F(Resume, AnotherRecipeBeginsAnewAndSaysSo) {
  const auto files = expected();
  ASSERT_FALSE(run_until(8, {.bits = 8, .group_size = 32}));
  ASSERT_TRUE(run_until(1 << 30));
  EXPECT_THAT(notes_, HasSubstr("begun anew: recipe was another"));
  EXPECT_EQ(outcome_.resumed_bytes, 0u);
  EXPECT_EQ(files_in(path_), files);
}

TEST_F(Resume, ASourceThatWasWrittenToBeginsAnewWhateverItsDigestSays) {
  const fs::path from = test::scratch_dir() / "in";
  fs::copy(golden("llama-biases"), from);
  Options options = options_to(path_);
  int reports = 0;
  options.progress = [&](const Progress&) { return ++reports < 8; };
  fixture::Engine engine;
  const Recipe recipe = fixture::recipe_of(kRecipe);
  {
    const Source before(from);
    ASSERT_FALSE(convert(before.checkpoint, before.form, recipe, options, engine.machine()).finished);
  }
  test::write_file(from / "model.safetensors", read_text(from / "model.safetensors", size_t{1} << 30));
  options.progress = nullptr;
  options.note = [&](const std::string& line) { notes_ += line; };
  const Source after(from);
  EXPECT_EQ(convert(after.checkpoint, after.form, recipe, options, engine.machine()).resumed_bytes, 0u);
  EXPECT_THAT(notes_, HasSubstr("source was another"));
}

TEST_F(Resume, AnotherSourceBeginsAnewAndSaysSo) {
  ASSERT_FALSE(run_until(8));
  const Source other(golden("llama-gqa"));
  Options options = options_to(path_);
  options.note = [&](const std::string& line) { notes_ += line; };
  convert_to(path_, other, kRecipe, options);
  EXPECT_THAT(notes_, HasSubstr("source was another"));
  const auto direct = test::scratch_dir() / "out";
  convert_to(direct, other, kRecipe, options_to(direct));
  EXPECT_EQ(files_in(path_), files_in(direct));
}

TEST_F(Resume, BytesOfProgressNeverFallAndEndAtTheWhole) {
  for (const int stop : {9, 1 << 30}) {
    uint64_t last = 0, total = 0;
    Options options = options_to(path_);
    int reports = 0;
    options.shard_bytes = 30'000;
    options.progress = [&](const Progress& progress) {
      if (progress.phase == Progress::Phase::converting) {
        EXPECT_GE(progress.done, last);
        last = progress.done;
        total = progress.total;
      }
      return ++reports < stop;
    };
    fixture::Engine engine;
    const Outcome outcome =
        convert(source_.checkpoint, source_.form, fixture::recipe_of(kRecipe), options, engine.machine());
    EXPECT_EQ(outcome.finished, stop > 9);
    if (outcome.finished) {
      EXPECT_EQ(last, total);
    }
  }
}

}  // namespace
}  // namespace varve::convert
