#include "family/resolve.h"

#include <fmt/format.h>

#include "support/data.h"

namespace varve::family {
namespace {

TEST(Resolve, Stories) {
  const auto dir = test::shared_data("models/stories260K");
  VARVE_NEEDS(dir);
  const auto checkpoint = checkpoint::Checkpoint::open(dir);
  Resolved r = resolve(checkpoint, FamilyLibrary::open());
  for (const Origin& o : r.origins) fmt::print("{} {} = {}\n", o.kind, o.name, o.from);
  EXPECT_EQ(r.spec.layers.size(), 5u);
}

}  // namespace
}  // namespace varve::family
