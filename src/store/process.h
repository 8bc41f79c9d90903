#pragma once
// A program run as a child: no shell in between, so no text is ever split or expanded.
#include <sys/types.h>

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace varve::store {

struct Command {
  std::vector<std::string> words;        // the program, looked up on PATH, and its arguments
  std::vector<std::string> environment;  // "NAME=value", on top of this process's own
  std::filesystem::path messages;        // receives standard error (and standard output unless piped)
  bool pipe_output = false;              // read() gives the child's standard output
};

/// A running child; ended when the object goes.
class Child {
 public:
  /// A LoadError when the program cannot be started.
  explicit Child(const Command& command);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  /// The exit code once it has ended (128 + signal when killed), nothing while it runs.
  std::optional<int> ended();
  int wait();
  /// Bytes of its standard output; 0 at the end.
  size_t read(std::span<std::byte> into);

 private:
  pid_t pid_ = -1;
  int output_ = -1;
  std::optional<int> code_;
};

}  // namespace varve::store
