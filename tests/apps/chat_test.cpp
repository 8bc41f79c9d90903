// The conversation on a terminal, driven through a pseudo-terminal as a person's keys would.
#include <gmock/gmock.h>
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>

#include "apps/run_binary.h"
#include "support/data.h"

namespace varve::test {
namespace {

using testing::HasSubstr;

/// `varve WORDS` with a terminal of its own.
class Terminal {
 public:
  explicit Terminal(const std::vector<std::string>& words, const char* kind = "xterm") {
    const std::string home = store_home();
    pid_ = ::forkpty(&fd_, nullptr, nullptr, nullptr);
    if (pid_ != 0) return;
    ::setenv("TERM", kind, 1);
    ::setenv("LC_ALL", "C", 1);  // what people write is UTF-8 all the same
    ::setenv("VARVE_HOME", home.c_str(), 1);
    ::setenv("VARVE_ISA", "ref", 1);  // slow enough that an answer lasts
    ::unsetenv("NO_COLOR");
    std::vector<char*> pointers{const_cast<char*>(VARVE_BINARY)};
    for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
    pointers.push_back(nullptr);
    ::execv(VARVE_BINARY, pointers.data());
    ::_exit(127);
  }
  ~Terminal() {
    if (pid_ > 0 && !ended_) ::kill(pid_, SIGKILL), ::waitpid(pid_, nullptr, 0);
    ::close(fd_);
  }

  void type(const std::string& keys) {
    ASSERT_EQ(::write(fd_, keys.data(), keys.size()), static_cast<ssize_t>(keys.size()));
  }

  /// Reads until `text` was seen after everything waited for before; what was read, or a failure after 30 s.
  std::string wait_for(const std::string& text) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    size_t found;
    while ((found = seen_.find(text)) == std::string::npos) {
      pollfd ready{.fd = fd_, .events = POLLIN, .revents = 0};
      char block[4096];
      const bool readable = ::poll(&ready, 1, 100) > 0;
      const ssize_t got = readable ? ::read(fd_, block, sizeof block) : 0;
      if (got > 0) seen_.append(block, static_cast<size_t>(got));
      if ((readable && got <= 0) || std::chrono::steady_clock::now() > deadline) {
        ADD_FAILURE() << "waited for '" << text << "', saw: " << seen_;
        return std::exchange(seen_, {});
      }
    }
    const std::string before = seen_.substr(0, found + text.size());
    seen_.erase(0, found + text.size());
    return before;
  }

  /// Reads what is there, so that the program never waits for room.
  void drain() {
    pollfd ready{.fd = fd_, .events = POLLIN, .revents = 0};
    char block[4096];
    while (::poll(&ready, 1, 20) > 0)
      if (const ssize_t got = ::read(fd_, block, sizeof block); got > 0)
        seen_.append(block, static_cast<size_t>(got));
      else
        return;
  }

  /// Stops the program where it is, so that what is typed meanwhile is there when it goes on.
  void hold() { ::kill(pid_, SIGSTOP); }
  void go_on() { ::kill(pid_, SIGCONT); }

  /// The exit code; a failure when it has not ended within 30 s.
  int exit_code() {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    int status = 0;
    while (::waitpid(pid_, &status, WNOHANG) == 0) {
      if (std::chrono::steady_clock::now() > deadline) {
        ADD_FAILURE() << "still running after 30 s; saw: " << seen_;
        return -1;
      }
      // The terminal is drained, or the program could wait for room in it.
      pollfd ready{.fd = fd_, .events = POLLIN, .revents = 0};
      char block[4096];
      if (::poll(&ready, 1, 20) > 0) static_cast<void>(!::read(fd_, block, sizeof block));
    }
    ended_ = true;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  int fd_ = -1;
  pid_t pid_ = -1;
  bool ended_ = false;
  std::string seen_;
};

class Chat : public testing::Test {
 protected:
  void SetUp() override { VARVE_NEEDS(model_); }
  const std::filesystem::path model_ = shared_data("models/stories260K");
};

TEST_F(Chat, AnswersShowsFiguresDimAndLeaves) {
  Terminal terminal({"run", model_.string(), "--max-tokens", "6"});
  terminal.wait_for(">>> ");
  terminal.type("Once upon a time\n");
  const std::string answer = terminal.wait_for("tokens/s");
  EXPECT_THAT(answer, HasSubstr(", there was a little"));
  EXPECT_THAT(answer, HasSubstr("\x1b[2m")) << "the figures are dim";
  terminal.wait_for(">>> ");
  terminal.type("/help\n");
  terminal.wait_for("/clear");
  terminal.wait_for(">>> ");
  terminal.type("/nonsense\n");
  terminal.wait_for("There is no command /nonsense");
  terminal.wait_for(">>> ");
  terminal.type("/exit\n");
  EXPECT_EQ(terminal.exit_code(), 0);
}

TEST_F(Chat, CtrlCStopsTheAnswerThenTheProgram) {
  // The scalar kernels answer slowly enough to be stopped in the middle.
  ::setenv("VARVE_ISA", "ref", 1);
  Terminal terminal({"run", model_.string(), "--ignore-eos", "--max-tokens", "100000"});
  ::unsetenv("VARVE_ISA");
  terminal.wait_for(">>> ");
  terminal.type("Once upon a time\n");
  terminal.wait_for(", there");
  terminal.hold();
  terminal.type("\x03");
  terminal.go_on();
  terminal.wait_for("(stopped)");
  terminal.wait_for(">>> ");
  terminal.type("\x03");
  terminal.wait_for("once more");
  terminal.wait_for(">>> ");
  terminal.type("\x03");
  EXPECT_EQ(terminal.exit_code(), 0);
}

TEST_F(Chat, ALineThatTheTerminalCutsIsNotSent) {
  Terminal terminal({"run", model_.string(), "--max-tokens", "2", "--quiet"}, "dumb");
  terminal.wait_for(">>> ");
  for (int i = 0; i < 50; ++i) terminal.type(std::string(100, 'a'));
  terminal.type("\n");
  terminal.wait_for("it was not sent");
  terminal.wait_for(">>> ");
  terminal.type("/exit\n");
  EXPECT_EQ(terminal.exit_code(), 0);
}

TEST_F(Chat, ALineMayBeLongerThanATerminalHoldsIt) {
  Terminal terminal({"run", model_.string(), "--max-tokens", "2", "--context", "64"});
  terminal.wait_for(">>> ");
  for (int i = 0; i < 50; ++i) {
    terminal.type(std::string(100, 'a'));
    terminal.drain();
  }
  terminal.type("\n");
  terminal.wait_for("the context holds 64");
  terminal.wait_for(">>> ");
  terminal.type("/exit\n");
  EXPECT_EQ(terminal.exit_code(), 0);
}

TEST_F(Chat, KeysMoveEditAndBringBack) {
  Terminal terminal({"run", model_.string(), "--max-tokens", "2"});
  terminal.wait_for(">>> ");
  terminal.type("/noxé\x7f\x1b[D\x7fi\x1b[C");  // the last letter away, and one in the middle another
  terminal.type("e\n");
  terminal.wait_for("There is no command /nixe");
  terminal.wait_for(">>> ");
  terminal.type("\x1b[Af\n");  // the line before, and a letter more
  terminal.wait_for("There is no command /nixef");
  terminal.wait_for(">>> ");
  terminal.type("\x04");
  EXPECT_EQ(terminal.exit_code(), 0);
}

TEST_F(Chat, OnlyALoneWordIsACommand) {
  Terminal terminal({"run", model_.string(), "--max-tokens", "2"});
  terminal.wait_for(">>> ");
  terminal.type("/nope\n");
  terminal.wait_for("There is no command /nope; /help lists them.");
  terminal.type("/etc/hosts is what?\n");
  terminal.wait_for("first token after");
  terminal.type("/exit\n");
  EXPECT_EQ(terminal.exit_code(), 0);
}

TEST_F(Chat, CtrlDLeaves) {
  Terminal terminal({"run", model_.string()});
  terminal.wait_for(">>> ");
  terminal.type("\x04");
  EXPECT_EQ(terminal.exit_code(), 0);
}

TEST_F(Chat, AMessageOfSeveralLines) {
  Terminal terminal({"run", model_.string(), "--max-tokens", "2"});
  terminal.wait_for(">>> ");
  terminal.type("\"\"\"Once upon\n");
  terminal.wait_for("... ");
  terminal.type("a time\"\"\"\n");
  terminal.wait_for("tokens/s");
  terminal.wait_for(">>> ");
  terminal.type("\x04");
  EXPECT_EQ(terminal.exit_code(), 0);
}

}  // namespace
}  // namespace varve::test
