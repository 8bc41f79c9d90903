// The binary as a user meets it: exit codes, what goes to which stream, help.
#include <gmock/gmock.h>

#include "apps/run_binary.h"
#include "support/data.h"

namespace varve::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

TEST(CommandLine, WithoutACommandItTeaches) {
  const Outcome outcome = run_varve({});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.out, HasSubstr("varve run"));
  EXPECT_THAT(outcome.err, IsEmpty());
}

TEST(CommandLine, EveryCommandHasHelpWithAnExample) {
  const Outcome help = run_varve({"--help"});
  EXPECT_EQ(help.code, 0);
  std::vector<std::string> commands;
  for (size_t at = help.out.find("Subcommands:"); (at = help.out.find("\n  ", at)) != std::string::npos;
       ++at) {
    const size_t begin = at + 3;
    if (help.out[begin] >= 'a' && help.out[begin] <= 'z')
      commands.push_back(help.out.substr(begin, help.out.find(' ', begin) - begin));
    if (help.out.find("\n\n", at) == at + 1) break;
  }
  ASSERT_GE(commands.size(), 5u) << help.out;
  for (const std::string& command : commands) {
    if (command == "varve") continue;  // the examples below the list
    const Outcome outcome = run_varve({command, "--help"});
    EXPECT_EQ(outcome.code, 0) << command;
    EXPECT_THAT(outcome.out, HasSubstr("Examples:\n  ")) << command;
    EXPECT_THAT(outcome.out, HasSubstr("--log-level")) << command;
  }
}

TEST(CommandLine, UsageErrorsEndWith2AndPointToHelp) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{"rn"},
                                                {"list", "--nope"},
                                                {"pull"},
                                                {"completion", "fish"},
                                                {"--nope"},
                                                {"run", ""},
                                                {"pull", ""},
                                                {"run", "x", "--prompt", "a", "--seed", "0x10"},
                                                {"run", "x", "--prompt", "a", "--top-p", "0"},
                                                {"run", "x", "--prompt", "a", "--typical-p", "0"},
                                                {"run", "x", "--prompt", "a", "--logit-bias", "1=nan"},
                                                {"run", "x", "--prompt", "a", "--stop", ""},
                                                {"run", "x", "--prompt", "a", "--stop", "\xff"},
                                                {"run", "x", "--prompt", "a", "--system", "\xff"},
                                                {"run", "x", "--ids", "1,,2"},
                                                {"run", "x", "--ids", "1,2,"},
                                                {"logits", "x", "--ids", "1", "--out", "x"},
                                                {"families", "--markdown", "--json"},
                                                {"families", "llama", "--markdown"},
                                                {"list", "--log-level", "loud"}}) {
    const Outcome outcome = run_varve(words);
    EXPECT_EQ(outcome.code, 2) << words[0];
    EXPECT_THAT(outcome.err, StartsWith("varve: ")) << words[0];
    EXPECT_THAT(outcome.err, HasSubstr("--help")) << words[0];
    EXPECT_THAT(outcome.out, IsEmpty()) << words[0];
  }
}

// The model is not there: what is wrong with an option is said before it is looked for.
TEST(CommandLine, SamplingOptionsAreHeldToTheEnginesRanges) {
  const std::pair<const char*, std::vector<const char*>> cases[] = {
      {"--temperature", {"-0.1", "100.5", "inf"}},
      {"--top-k", {"-1", "2147483648", "1.5"}},
      {"--top-p", {"0", "1.01"}},
      {"--min-p", {"-0.1", "1.1"}},
      {"--typical-p", {"0", "1.5"}},
      {"--repetition-penalty", {"0", "101"}},
      {"--presence-penalty", {"2.5", "-2.5"}},
      {"--frequency-penalty", {"50", "-2.01"}},
      {"--logit-bias", {"1=100.5", "1=nan", "-1=0", "1"}},
      {"--stop", {""}},
  };
  for (const auto& [option, values] : cases)
    for (const char* value : values) {
      const Outcome outcome = run_varve({"run", "/nowhere", "--ids", "1", std::string(option) + "=" + value});
      EXPECT_EQ(outcome.code, 2) << option << " " << value << ": " << outcome.err;
      EXPECT_THAT(outcome.err, HasSubstr(option)) << value;
    }
  // The least and the most of each are none of them.
  const Outcome fine =
      run_varve({"run", "/nowhere", "--ids=1", "--repetition-penalty=0.001", "--top-k=2147483647",
                 "--presence-penalty=-2", "--top-p=1", "--typical-p=0.01"});
  EXPECT_EQ(fine.code, 1) << fine.err;
}

TEST(CommandLine, UsageErrorsNameTheOption) {
  const auto message = [](std::vector<std::string> words) {
    words.insert(words.begin(), {"run", "x", "--prompt", "a"});
    return run_varve(words).err;
  };
  EXPECT_THAT(message({"--seed", "1", "--seed", "2"}), HasSubstr("--seed is given 2 times"));
  EXPECT_THAT(message({"--top-p", "0"}), HasSubstr("--top-p: '0' is not a number above 0 to 1"));
  EXPECT_THAT(message({"--logit-bias", "1=nan"}), HasSubstr("--logit-bias"));
  EXPECT_THAT(message({"--stop", ""}), HasSubstr("--stop"));
  EXPECT_THAT(run_varve({"logits", "x", "--ids", "1", "--out", "x"}).err, HasSubstr("must end in .npy"));
}

TEST(CommandLine, NumbersAreDecimal) {
  const Outcome outcome = run_varve({"run", "x", "--prompt", "a", "--threads", "02000"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("'02000' is not a whole number from 1 to 1024"));
  // 01777 is above 1024 and, as octal, 1023.
  EXPECT_EQ(run_varve({"run", "x", "--prompt", "a", "--threads", "01777"}).code, 2);
}

TEST(CommandLine, LogitsForAFolderAreRefusedBeforeTheWork) {
  const std::filesystem::path folder = store_home() / "folder.npy";
  std::filesystem::create_directories(folder);
  const Outcome outcome = run_varve({"logits", "x", "--ids", "1", "--out", folder.string()});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("Is a directory"));
}

TEST(CommandLine, OtherErrorsEndWith1) {
  const Outcome outcome = run_varve({"pull", "smolm2"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("Did you mean smollm2?"));
  EXPECT_THAT(outcome.out, IsEmpty());
}

TEST(CommandLine, AFullDiskUnderStandardOutputIsAnError) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "needs /dev/full";
  const Outcome outcome = run_varve({"list"}, {.input = {}, .output = "/dev/full"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("standard output cannot be written"));
}

TEST(CommandLine, ListAsJsonIsPureJson) {
  const Outcome outcome = run_varve({"list", "--json"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.out, StartsWith("["));
  EXPECT_THAT(outcome.out, HasSubstr("\"name\": \"smollm2\""));
}

TEST(CommandLine, CompletionOffersTheValuesOfOptions) {
  for (const char* shell : {"bash", "zsh"}) {
    const std::string script = run_varve({"completion", shell}).out;
    EXPECT_THAT(script, HasSubstr("\"run --precision\") values=\"fast exact\"")) << shell;
    EXPECT_THAT(script, HasSubstr("\"list --log-level\") values=\"trace debug")) << shell;
    EXPECT_THAT(script, HasSubstr("\"bench --synthetic\") values=\"")) << shell;
  }
}

TEST(CommandLine, CompletionScriptsNameEveryCommand) {
  for (const char* shell : {"bash", "zsh"}) {
    const Outcome outcome = run_varve({"completion", shell});
    EXPECT_EQ(outcome.code, 0);
    for (const char* word : {"pull", "list", "rm", "--json"})
      EXPECT_THAT(outcome.out, HasSubstr(word)) << shell;
  }
}

}  // namespace
}  // namespace varve::test
