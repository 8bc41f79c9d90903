#pragma once
// Tables of files that must be refused, and the words that the refusal must hold.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/errors.h"

namespace varve::test {

/// The message of the LoadError that `action` ends with; "(not refused)" when it does not.
template <class Action>
std::string refusal_of(Action action) {
  const std::string message = error_of(action);
  return message.empty() ? "(not refused)" : message;
}

struct Attack {
  std::string name;
  std::string bytes;
  std::vector<std::string> words;  // all of them must stand in the message
};

/// Gives every attack's bytes to `read` and looks for the words. Returns how many were tried.
template <class Read>
size_t expect_refused(const std::vector<Attack>& attacks, Read read) {
  for (const Attack& attack : attacks) {
    SCOPED_TRACE(attack.name);
    const std::string message = refusal_of([&] { read(attack.bytes); });
    for (const std::string& word : attack.words) EXPECT_THAT(message, ::testing::HasSubstr(word));
    EXPECT_LT(message.size(), 2000u) << "a message must stay readable whatever the file says";
  }
  return attacks.size();
}

}  // namespace varve::test
