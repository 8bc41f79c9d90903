#pragma once
// What every command does with the word MODEL: the store's answer, fetched first where a card says how.
#include <string>

#include "store/store.h"

namespace varve::app {

store::Store open_store();

/// A path that is there. A card's model that is not here yet is pulled, with a bar and its licence on
/// standard error. A LoadError when there is no such model.
store::Located locate_model(const store::Store& store, const std::string& word);

/// Pulls with a bar; Ctrl-C stops it and leaves nothing behind.
std::filesystem::path pull_with_bar(const store::Store& store, const store::Card& card);

}  // namespace varve::app
