#include "engine/prefix_marks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/fake_model.h"

namespace varve::engine {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const test::FakeCodec kCodec(std::vector<std::string>(10, "x"), "", {9});

std::vector<int32_t> with_controls(size_t count, std::initializer_list<size_t> places) {
  std::vector<int32_t> ids(count, 1);
  for (const size_t place : places) ids[place] = 9;
  return ids;
}

TEST(PrefixMarks, WithoutMessagesJustBeforeTheEnd) {
  EXPECT_THAT(prefix_marks(std::vector<int32_t>(100, 1), nullptr), ElementsAre(96));
  EXPECT_THAT(prefix_marks(std::vector<int32_t>(96, 1), &kCodec), ElementsAre(80));
  EXPECT_THAT(prefix_marks(std::vector<int32_t>(16, 1), &kCodec), IsEmpty());
  EXPECT_THAT(prefix_marks(with_controls(50, {0}), &kCodec), ElementsAre(48));  // a first token is no message
}

TEST(PrefixMarks, TheFirstMessageAndTheLastOnes) {
  EXPECT_THAT(prefix_marks(with_controls(200, {0, 50, 190}), &kCodec), ElementsAre(48, 176));
  EXPECT_THAT(prefix_marks(with_controls(400, {0, 50, 52, 100, 150, 200, 250, 300, 395, 397}), &kCodec),
              ElementsAre(48, 240, 288, 384));
}

TEST(PrefixMarks, FewHoweverManyMessages) {
  EXPECT_EQ(prefix_marks(std::vector<int32_t>(5000, 9), &kCodec).size(), kMaxMarks);
  for (size_t count = 1; count < 200; ++count)
    for (const int64_t mark : prefix_marks(std::vector<int32_t>(count, 9), &kCodec)) {
      EXPECT_GT(mark, 0);
      EXPECT_LT(mark, static_cast<int64_t>(count));
      EXPECT_EQ(mark % 16, 0);
    }
}

}  // namespace
}  // namespace varve::engine
