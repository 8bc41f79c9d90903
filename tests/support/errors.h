#pragma once
// What an action is refused with.
#include <string>

#include "core/error.h"

namespace varve::test {

/// What a LoadError of `act` says; "" when there is none.
template <class Act>
std::string error_of(Act act) {
  try {
    act();
  } catch (const LoadError& error) {
    return error.what();
  }
  return "";
}

}  // namespace varve::test
