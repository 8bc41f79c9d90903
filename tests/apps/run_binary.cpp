#include "apps/run_binary.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

#include "core/file.h"
#include "support/data.h"

namespace varve::test {

namespace fs = std::filesystem;

namespace {

/// In the child: the streams, the environment, then the program. Never returns.
[[noreturn]] void become_varve(const std::vector<std::string>& words, const RunSettings& settings,
                               const fs::path& dir) {
  const fs::path output = settings.output.empty() ? dir / "out" : settings.output;
  ::dup2(::open((dir / "in").c_str(), O_RDONLY), 0);
  ::dup2(::open(output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), 1);
  ::dup2(::open((dir / "err").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), 2);
  ::setenv("VARVE_HOME", store_home().c_str(), 1);
  ::setenv("HF_HUB_CACHE", (store_home() / "hub").c_str(), 1);
  ::setenv("XDG_CONFIG_HOME", (store_home() / "config").c_str(), 1);
  for (const auto& [name, value] : settings.environment) ::setenv(name.c_str(), value.c_str(), 1);
  for (const auto& [what, most] :
       {std::pair{RLIMIT_AS, settings.address_space}, std::pair{RLIMIT_FSIZE, settings.file_size}}) {
    const struct rlimit limit { .rlim_cur = most, .rlim_max = most };
    if (most > 0) ::setrlimit(what, &limit);
  }
  std::vector<char*> pointers{const_cast<char*>(VARVE_BINARY)};
  for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
  ::execv(VARVE_BINARY, pointers.data());
  ::_exit(127);
}

}  // namespace

fs::path store_home() {
  static const fs::path home = scratch_dir();
  return home;
}

Outcome run_varve(const std::vector<std::string>& words, const RunSettings& settings) {
  const fs::path dir = scratch_dir();
  store_home();  // made before the fork, so that it is this process's
  write_text(dir / "in", settings.input);
  const pid_t child = ::fork();
  if (child == 0) become_varve(words, settings, dir);
  int status = 0;
  ::waitpid(child, &status, 0);
  constexpr size_t kMost = size_t{1} << 26;
  return {.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
          .out = settings.output.empty() ? read_text(dir / "out", kMost) : "",
          .err = read_text(dir / "err", kMost)};
}

}  // namespace varve::test
