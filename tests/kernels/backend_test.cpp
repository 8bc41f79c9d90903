#include "kernels/backend.h"

#include <cstdlib>

#include "op_support.h"

namespace varve::kernels::test {
namespace {

std::unique_ptr<ops::Backend> backend(std::string_view name, ThreadPool& pool) {
  auto made = make_backend(name, ops::Precision::exact, pool);
  EXPECT_TRUE(made.ok()) << name;
  return std::move(made.value());
}

TEST(Backend, NamesEndWithRefAndEachCanBeMade) {
  const std::vector<std::string> names = backend_names();
  ASSERT_FALSE(names.empty());
  EXPECT_EQ(names.back(), "ref");
  ThreadPool pool(1);
  for (const std::string& name : names) EXPECT_NE(backend(name, pool), nullptr);
  EXPECT_NE(backend("", pool), nullptr);
}

TEST(Backend, AnUnknownNameIsRefusedWithThoseThatWork) {
  ThreadPool pool(1);
  const auto made = make_backend("mmx", ops::Precision::fast, pool);
  ASSERT_FALSE(made.ok());
  EXPECT_NE(made.error().message.find("\"mmx\""), std::string::npos) << made.error().message;
  EXPECT_NE(made.error().message.find("ref"), std::string::npos) << made.error().message;
}

TEST(Backend, TheEnvironmentForcesOne) {
  const char* before = std::getenv("VARVE_ISA");
  const std::string saved = before ? before : "";
  ::setenv("VARVE_ISA", "ref", 1);
  EXPECT_EQ(forced_backend(), "ref");
  ::unsetenv("VARVE_ISA");
  EXPECT_EQ(forced_backend(), "");
  if (before) ::setenv("VARVE_ISA", saved.c_str(), 1);
}

/// Every op that the backend cuts into parts, large enough to be cut, gives the bits of one uncut call.
class EveryBackend : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Names, EveryBackend, ::testing::ValuesIn(backend_names()));

constexpr int64_t kRows = 40, kCols = 5000;

struct Results {
  std::vector<std::vector<float>> all;
  std::vector<int32_t> experts;
};

Results run_all(ops::Backend& cpu) {
  const int64_t n = kRows * kCols;
  const auto x = random_floats(static_cast<size_t>(n), 1), w = random_floats(kCols, 2);
  const ops::Rows rows{x.data(), kRows, kCols, kCols};
  const auto empty = std::vector<float>(static_cast<size_t>(n), 0.5f);
  Results out;
  auto result = [&](std::vector<float> start) -> float* {
    out.all.push_back(std::move(start));
    return out.all.back().data();
  };
  cpu.rms_norm({.x = rows, .weight = w.data(), .y = result(empty), .y_stride = kCols});
  cpu.layer_norm({.x = rows, .weight = w.data(), .bias = w.data(), .y = result(empty), .y_stride = kCols});
  cpu.rope({.x = result(x),
            .rows = kRows,
            .stride = kCols,
            .heads = 50,
            .head_dim = 100,
            .dims = 100,
            .cos = x.data(),
            .sin = x.data() + 1});
  cpu.gated({.gate = x.data(),
             .gate_stride = kCols,
             .up = empty.data(),
             .up_stride = kCols,
             .rows = kRows,
             .cols = kCols,
             .activation = ops::Activation::silu,
             .out = result(empty),
             .out_stride = kCols});
  cpu.axpby({.x = rows, .alpha = 0.3f, .beta = 2.0f, .y = result(empty), .y_stride = kCols});
  cpu.softcap({.x = result(x), .rows = kRows, .cols = kCols, .stride = kCols, .cap = 2.0f});
  out.experts.resize(kRows * 8);
  cpu.route({.logits = rows,
             .active = 8,
             .renormalize = true,
             .experts = out.experts.data(),
             .weights = result(std::vector<float>(kRows * 8))});
  std::vector<int32_t> slots;
  for (int32_t i = 0; i < kRows * 2; ++i) slots.push_back(i * 7 % static_cast<int32_t>(kRows));
  cpu.combine({.x = x.data(),
               .cols = kCols,
               .rows = kRows,
               .active = 2,
               .slots = slots.data(),
               .weights = w.data(),
               .y = result(empty),
               .y_stride = kCols});
  const ops::KvLayout layout{.kv_heads = 5, .head_dim = 100, .value_dim = 100, .element = 2};
  const Pages pages(layout, {kRows, kRows}, 3);
  const std::vector<ops::KvSlice> slices = {pages.slice(0, 0, 21, 3), pages.slice(1, 21, 19, 0)};
  cpu.kv_append({.layout = layout,
                 .slices = slices,
                 .k = x.data(),
                 .k_stride = kCols,
                 .v = x.data() + 1000,
                 .v_stride = kCols});
  cpu.attention({.layout = layout,
                 .slices = slices,
                 .q = x.data() + 2000,
                 .q_stride = kCols,
                 .heads = 20,
                 .scale = 0.1f,
                 .out = result(empty),
                 .out_stride = kCols});
  return out;
}

TEST_P(EveryBackend, ThreadsLeaveTheSameBits) {
  ThreadPool one(1);
  const Results expected = run_all(*backend(GetParam(), one));
  for (const int threads : {2, 3, 8}) {
    ThreadPool pool(threads);
    const Results found = run_all(*backend(GetParam(), pool));
    EXPECT_EQ(found.experts, expected.experts);
    ASSERT_EQ(found.all.size(), expected.all.size());
    for (size_t i = 0; i < found.all.size(); ++i)
      EXPECT_TRUE(same_bits(found.all[i], expected.all[i])) << "op " << i << " threads " << threads;
  }
}

TEST_P(EveryBackend, EveryOpEqualsRef) {
  ThreadPool pool(2);
  const Results expected = run_all(*backend("ref", pool)), found = run_all(*backend(GetParam(), pool));
  EXPECT_EQ(found.experts, expected.experts);
  for (size_t i = 0; i < found.all.size(); ++i)
    EXPECT_LT(relative_error(found.all[i], expected.all[i]), i + 1 == found.all.size() ? 3e-3 : 1e-6)
        << "op " << i;
}

}  // namespace
}  // namespace varve::kernels::test
