#include "http/fields.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "engine/sampling.h"
#include "http/anthropic_messages.h"
#include "http/openai_chat.h"
#include "http/openai_completions.h"
#include "protocol_support.h"

namespace varve::http {

namespace {

const FieldLists kAll[] = {openai_chat_fields(), openai_message_fields(), openai_completions_fields(),
                           anthropic_messages_fields(), anthropic_count_fields()};

}  // namespace

TEST(Fields, NoNameStandsTwice) {
  for (const FieldLists lists : kAll) {
    std::set<std::string_view> names;
    for (const auto& list : lists)
      for (const Field& field : list) EXPECT_TRUE(names.insert(field.name).second) << field.name;
  }
}

TEST(Fields, EachSaysWhatBecomesOfIt) {
  for (const FieldLists lists : kAll)
    for (const auto& list : lists)
      for (const Field& field : list) {
        EXPECT_NE(field.says.empty(), field.same_as.empty()) << field.name;
        EXPECT_TRUE(field.same_as.empty() || find_field(lists, field.same_as)) << field.name;
        if (!field.harmless.empty()) {
          EXPECT_EQ(field.use, Use::refused) << field.name;
          EXPECT_TRUE(parsed(field.harmless).is_array()) << field.name;
        }
        EXPECT_TRUE(field.use != Use::honoured || field.kinds != kAnyKind) << field.name;
      }
}

// The engine's own table is where ranges come from.
TEST(Fields, RangesAreTheEngines) {
  for (const engine::SamplingRange& range : engine::kSamplingRanges) {
    if (range.field == "top_k") continue;  // -1 means 0 to clients
    const Field* field = find_field(openai_chat_fields(), range.field);
    ASSERT_NE(field, nullptr) << range.field;
    EXPECT_EQ(field->low, range.low);
    EXPECT_EQ(field->high, range.high);
    EXPECT_EQ(field->above_low, range.above_low);
  }
}

TEST(Fields, NumbersOfAnyKindAreHeldToTheRange) {
  static constexpr Field kOne[] = {{.name = "x", .kinds = kNumber, .low = 0, .high = 1, .above_low = true}};
  static constexpr std::span<const Field> kLists[] = {kOne};
  const auto refused = [](double value) {
    Table table;
    table.set("x", Value(value));
    return check_fields(table, kLists, "a.").has_value();
  };
  EXPECT_TRUE(refused(std::nan("")));
  EXPECT_TRUE(refused(std::numeric_limits<double>::infinity()));
  EXPECT_TRUE(refused(0.0));
  EXPECT_TRUE(refused(1.0000001));
  EXPECT_FALSE(refused(1.0));
  EXPECT_FALSE(refused(1e-300));
}

}  // namespace varve::http
