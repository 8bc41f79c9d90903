// varve serve as a process: what it prints, what signals do, how it ends.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "apps/run_binary.h"
#include "core/file.h"
#include "http/client.h"
#include "support/data.h"

namespace varve::test {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

std::string tiny_model() { return (source_dir() / "tests/cases/golden/llama-f32").string(); }

/// A server that was started; it is ended with the test.
class ServeProcess {
 public:
  explicit ServeProcess(std::vector<std::string> words) {
    words.insert(words.begin(), {VARVE_BINARY, "serve"});
    std::vector<char*> pointers;
    for (std::string& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    const std::string out = (dir_ / "out").string(), err = (dir_ / "err").string();
    const std::string home = store_home().string();
    child_ = ::fork();
    if (child_ != 0) return;
    ::setenv("VARVE_HOME", home.c_str(), 1);
    ::setenv("XDG_CONFIG_HOME", home.c_str(), 1);
    ::dup2(::open(out.c_str(), O_WRONLY | O_CREAT, 0600), 1);
    ::dup2(::open(err.c_str(), O_WRONLY | O_CREAT, 0600), 2);
    ::execv(VARVE_BINARY, pointers.data());
    ::_exit(127);
  }
  ~ServeProcess() {
    if (child_ <= 0) return;
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }
  void signal(int number) const { ::kill(child_, number); }
  std::string out() const { return text("out"); }
  std::string err() const { return text("err"); }
  bool says(const std::string& words, bool error = false) const {
    return within([&] { return (error ? err() : out()).find(words) != std::string::npos; });
  }
  /// The exit code, or 128 + signal; -1 when it goes on.
  int code() {
    int status = 0;
    if (!within([&] { return ::waitpid(child_, &status, WNOHANG) == child_; })) return -1;
    child_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  template <class Done>
  static bool within(const Done& done) {
    for (int i = 0; i < 3000; ++i) {
      if (done()) return true;
      std::this_thread::sleep_for(milliseconds(10));
    }
    return false;
  }
  std::string text(const char* name) const {
    return std::filesystem::exists(dir_ / name) ? read_text(dir_ / name, size_t{1} << 20) : "";
  }
  std::filesystem::path dir_ = scratch_dir();
  pid_t child_ = -1;
};

Response get(const std::filesystem::path& socket, const std::string& path, const std::string& headers = {}) {
  HttpClient client(socket);
  client.send(request_text("GET", path, "", headers));
  return client.response();
}

TEST(Serve, AnswersUntilASignal) {
  const auto socket = scratch_dir() / "s";
  ServeProcess server({tiny_model(), "--unix", socket.string(), "--log-requests", "--log-format", "json"});
  ASSERT_TRUE(server.says("answers on unix:")) << server.err();
  EXPECT_EQ(get(socket, "/health").body, R"({"status":"ok"})");
  Response props = get(socket, "/props");
  EXPECT_THAT(props.body, HasSubstr(R"("parallel":16)"));
  EXPECT_THAT(get(socket, "/metrics").body, HasSubstr("varve_requests_finished_total 1\n"));  // the warm-up
  server.signal(SIGTERM);
  EXPECT_EQ(server.code(), 0) << server.err();
  EXPECT_FALSE(std::filesystem::exists(socket));
  EXPECT_THAT(server.err(), HasSubstr(R"("path":"/props","status":200)"));
}

TEST(Serve, ReadsItsKeysAgain) {
  const auto dir = scratch_dir();
  const auto socket = dir / "s", keys = dir / "keys";
  write_text(keys, "first-key-1\n");
  ServeProcess server({tiny_model(), "--unix", socket.string(), "--api-key-file", keys.string()});
  ASSERT_TRUE(server.says("answers on")) << server.err();
  const auto status = [&](const std::string& key) {
    return get(socket, "/props", "Authorization: Bearer " + key + "\r\n").status;
  };
  EXPECT_EQ(status("first-key-1"), 200);
  EXPECT_EQ(status("second-key-2"), 401);
  write_text(keys, "second-key-2\nthird-key-3\n");
  server.signal(SIGHUP);
  ASSERT_TRUE(server.says("2 API keys from now on", true)) << server.err();
  EXPECT_EQ(status("first-key-1"), 401);
  EXPECT_EQ(status("second-key-2"), 200);
  write_text(keys, "short\n");
  server.signal(SIGHUP);
  ASSERT_TRUE(server.says("the API keys stay as they were", true)) << server.err();
  EXPECT_EQ(status("second-key-2"), 200);
  server.signal(SIGINT);
  EXPECT_EQ(server.code(), 0);
}

TEST(Serve, PrintsALineForEachClient) {
  ServeProcess server({tiny_model(), "--port", "0", "--name", "my-model"});
  ASSERT_TRUE(server.says("my-model answers on http://127.0.0.1:")) << server.err();
  ASSERT_TRUE(server.says("Claude Code"));
  for (const char* word :
       {"curl http://127.0.0.1:", "OpenAI(base_url=", "new OpenAI({baseURL:", "Anthropic(base_url=",
        "new Anthropic({baseURL:", "ANTHROPIC_BASE_URL=http://127.0.0.1:"})
    EXPECT_THAT(server.out(), HasSubstr(word));
}

TEST(Serve, SaysWhatIsWrongInOneError) {
  const auto refused = [](std::vector<std::string> words, int code, const std::string& message) {
    words.insert(words.begin(), "serve");
    const Outcome outcome = run_varve(words);
    EXPECT_EQ(outcome.code, code) << message;
    EXPECT_THAT(outcome.err, HasSubstr(message));
    EXPECT_EQ(outcome.out, "") << message;
  };
  refused({tiny_model(), "--host", "0.0.0.0", "--port", "0"}, 1, "no API key is set");
  refused({tiny_model(), "--port", "0", "--tls-cert", "/nowhere.pem", "--tls-key", "/nowhere.pem"}, 1,
          "/nowhere.pem");
  refused({tiny_model(), "--port", "0", "--tls-cert", "/nowhere.pem"}, 1, "--tls-key");
  refused({tiny_model(), "--port", "0", "--api-key-file", "/nowhere"}, 1, "/nowhere");
  refused({tiny_model(), "--port", "0", "--allow-host", "http://x"}, 1, "is not a host name");
  refused({tiny_model(), "--unix", "/tmp/x", "--host", "0.0.0.0"}, 2, "exclude each other");
  refused({tiny_model(), "--unix", "/tmp/x", "--port", "9000"}, 2, "exclude each other");
  refused({tiny_model(), "--port", "0", "--cache-memory", "lots"}, 2, "'lots' is not a number of bytes");
  refused({tiny_model(), "--port", "0", "--top-p", "2"}, 2, "--top-p");
  refused({"/nowhere/model", "--port", "0"}, 1, "/nowhere/model");
}

}  // namespace
}  // namespace varve::test
