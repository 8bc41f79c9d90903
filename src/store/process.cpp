#include "store/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/error.h"

namespace varve::store {

namespace {

/// posix_spawn's file actions, freed on every way out.
struct Actions {
  posix_spawn_file_actions_t value;
  Actions() { posix_spawn_file_actions_init(&value); }
  ~Actions() { posix_spawn_file_actions_destroy(&value); }
};

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> list;
  for (std::string& word : words) list.push_back(word.data());
  list.push_back(nullptr);
  return list;
}

/// This process's environment with `changes` on top.
std::vector<std::string> merged_environment(const std::vector<std::string>& changes) {
  std::vector<std::string> merged = changes;
  for (char** entry = environ; *entry; ++entry) {
    const std::string_view have(*entry);
    const std::string_view name = have.substr(0, have.find('=') + 1);
    bool changed = false;
    for (const std::string& change : changes) changed = changed || change.starts_with(name);
    if (!changed) merged.emplace_back(have);
  }
  return merged;
}

}  // namespace

Child::Child(const Command& command) {
  int ends[2] = {-1, -1};
  if (command.pipe_output && ::pipe2(ends, O_CLOEXEC) != 0)
    throw LoadError({.what = fmt::format("no pipe to a child: {}", std::strerror(errno)),
                     .where = {},
                     .expected = {},
                     .found = {},
                     .advice = {}});
  Actions actions;
  posix_spawn_file_actions_addopen(&actions.value, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions.value, 2, command.messages.c_str(), O_WRONLY | O_CREAT | O_TRUNC,
                                   0600);
  posix_spawn_file_actions_adddup2(&actions.value, command.pipe_output ? ends[1] : 2, 1);

  std::vector<std::string> words = command.words;
  std::vector<std::string> environment = merged_environment(command.environment);
  const int error = ::posix_spawnp(&pid_, words[0].c_str(), &actions.value, nullptr, pointers(words).data(),
                                   pointers(environment).data());
  if (ends[1] >= 0) ::close(ends[1]);
  output_ = ends[0];
  if (error == 0) return;
  pid_ = -1;
  if (output_ >= 0) ::close(output_);
  throw LoadError({.what = fmt::format("cannot be started: {}", std::strerror(error)),
                   .where = words[0],
                   .expected = {},
                   .found = {},
                   .advice = fmt::format("Install {} or put it on PATH.", words[0])});
}

Child::~Child() {
  if (pid_ > 0 && !ended()) {
    ::kill(pid_, SIGTERM);
    wait();
  }
  if (output_ >= 0) ::close(output_);
}

std::optional<int> Child::ended() {
  int status = 0;
  if (!code_ && ::waitpid(pid_, &status, WNOHANG) == pid_)
    code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return code_;
}

int Child::wait() {
  int status = 0;
  while (!code_) {
    if (::waitpid(pid_, &status, 0) == pid_)
      code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    else if (errno != EINTR)
      code_ = 127;
  }
  return *code_;
}

size_t Child::read(std::span<std::byte> into) {
  for (;;) {
    const ssize_t got = ::read(output_, into.data(), into.size());
    if (got >= 0) return static_cast<size_t>(got);
    if (errno != EINTR) return 0;
  }
}

}  // namespace varve::store
