#pragma once
// The three kinds of error (design rule 6).
//   LoadError  a file or model that cannot be used: thrown while opening or loading, never inside a step
//   Result<T>  a bad request: a value, answered to whoever asked
//   check()    a bug in varve itself: ends the process with a message
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace varve {

/// What is wrong, where, what was expected and found, and what to do about it. `what()` is the whole
/// message, ready to print.
class LoadError : public std::runtime_error {
 public:
  struct Parts {
    std::string what;      // "the tensor's data ends beyond the file"
    std::string where;     // a file, with a line or tensor name where there is one
    std::string expected;  // may be empty
    std::string found;     // may be empty
    std::string advice;    // what to do; may be empty
  };
  explicit LoadError(Parts parts);
  const Parts& parts() const { return parts_; }

 private:
  Parts parts_;
};

/// A refused request: `field` is the flag or request member that caused it, if one did.
struct RequestError {
  std::string message;
  std::string field;
};

/// Either a value or a refused request.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}             // NOLINT: implicit on purpose
  Result(RequestError error) : state_(std::move(error)) {}  // NOLINT: implicit on purpose
  bool ok() const { return std::holds_alternative<T>(state_); }
  explicit operator bool() const { return ok(); }
  T& value() { return std::get<T>(state_); }
  const T& value() const { return std::get<T>(state_); }
  const RequestError& error() const { return std::get<RequestError>(state_); }

 private:
  std::variant<T, RequestError> state_;
};

/// Ends the process when `condition` is false: a bug, never a user's mistake.
/// The place is that of the call (builtins, as std::source_location needs a newer clang than Debian's).
void check(bool condition, std::string_view message, const char* file = __builtin_FILE(),
           int line = __builtin_LINE());

/// The candidate nearest to `word` by edit distance, or "" when none is near enough to suggest.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace varve
