#include "family/resolve.h"

#include <fmt/format.h>

#include "nn/loader.h"
#include "nn/model.h"
#include "support/data.h"

namespace varve::family {
namespace {

TEST(Resolve, Gguf) {
  const auto file = std::filesystem::path("/work/trees/models/smollm2.gguf");
  VARVE_NEEDS(file);
  const auto checkpoint = checkpoint::Checkpoint::open(file);
  Resolved r = resolve(checkpoint, FamilyLibrary::open());
  for (const Origin& o : r.origins) fmt::print("{} {} = {}\n", o.kind, o.name, o.from);
  for (const auto& w : r.warnings) fmt::print("! {}\n", w);
  nn::CheckBinder binder(*r.weights);
  nn::bind_model(r.spec, binder);
  EXPECT_NO_THROW(binder.finish());
  const auto m = r.weights->matrix("model.layers.3.self_attn.q_proj.weight");
  EXPECT_EQ(m.view.rows, 576);
}

}  // namespace
}  // namespace varve::family
