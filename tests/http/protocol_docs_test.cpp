// docs/http-api.md has the very tables by which requests are checked.
#include <gtest/gtest.h>

#include "core/file.h"
#include "http/anthropic_messages.h"
#include "http/openai_chat.h"
#include "http/openai_completions.h"
#include "support/data.h"

namespace varve::http {

TEST(HttpDocs, TablesAreThoseOfTheCode) {
  const std::string page = read_text(test::source_dir() / "docs/http-api.md", 1 << 20);
  const std::pair<std::string, FieldLists> tables[] = {{"chat", openai_chat_fields()},
                                                       {"chat messages", openai_message_fields()},
                                                       {"completions", openai_completions_fields()},
                                                       {"messages", anthropic_messages_fields()},
                                                       {"count_tokens", anthropic_count_fields()}};
  for (const auto& [name, lists] : tables) {
    const std::string begin =
        "<!-- fields: " + name + " -->\n\n| field | what becomes of it | |\n|---|---|---|\n";
    const std::string rows = markdown_rows(lists);
    const size_t at = page.find(begin);
    ASSERT_NE(at, std::string::npos) << "no table behind: " << begin;
    const size_t first = at + begin.size();
    EXPECT_EQ(page.substr(first, page.find("\n\n", first) + 1 - first), rows)
        << "put these rows behind \"<!-- fields: " << name << " -->\"";
  }
}

}  // namespace varve::http
