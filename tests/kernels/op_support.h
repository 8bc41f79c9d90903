#pragma once
// Shared by the tests of the ops: random rows, comparisons, and sequences of keys and values on pages.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "kernels/cpu/attention_driver.h"
#include "kernels/op_kernels.h"

namespace varve::kernels::test {

inline std::vector<float> random_floats(size_t n, unsigned seed, float scale = 1.0f) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<float> out(n);
  for (float& x : out) x = normal(engine);
  return out;
}

/// Every element within absolute + relative * |expected|.
inline void expect_near(const std::vector<float>& found, const std::vector<float>& expected, double absolute,
                        double relative, const std::string& what) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    ASSERT_NEAR(found[i], expected[i], absolute + relative * std::abs(expected[i]))
        << what << " element " << i;
  }
}

/// sqrt(sum (a - b)^2 / sum b^2)
inline double relative_error(const std::vector<float>& found, const std::vector<float>& expected) {
  double error = 0, size = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    error += (double{found[i]} - expected[i]) * (double{found[i]} - expected[i]);
    size += double{expected[i]} * expected[i];
  }
  return std::sqrt(error / size);
}

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

/// The vector tables against ref; a test skips where there is none.
class EveryTable : public ::testing::TestWithParam<NamedOpKernels> {
 protected:
  const OpKernels& kernels() const { return *GetParam().kernels; }
  const OpKernels& ref() const { return op_kernels_ref(); }
};

inline std::string name_of_table(const ::testing::TestParamInfo<NamedOpKernels>& info) {
  std::string name(info.param.name);
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

/// Pages of a few sequences, scattered over one pool of pages in an order of their own and filled beforehand
/// with `garbage`, as used pages are.
class Pages {
 public:
  Pages(const ops::KvLayout& layout, const std::vector<int64_t>& lengths, unsigned seed,
        uint8_t garbage = 0) {
    size_t count = 0;
    for (const int64_t length : lengths) count += pages_for(length);
    std::vector<size_t> order(count);
    std::iota(order.begin(), order.end(), size_t{0});
    std::shuffle(order.begin(), order.end(), std::mt19937(seed));
    const auto bytes = static_cast<size_t>(layout.page_bytes());
    memory_.assign(count * bytes + 64, std::byte{garbage});
    size_t next = 0;
    for (const int64_t length : lengths) {
      std::vector<std::byte*> table;
      for (size_t i = 0; i < pages_for(length); ++i) table.push_back(memory_.data() + order[next++] * bytes);
      tables_.push_back(std::move(table));
    }
  }

  ops::KvSlice slice(size_t sequence, int32_t begin, int32_t count, int32_t position) const {
    return {.begin = begin, .count = count, .position = position, .table = {.pages = tables_[sequence]}};
  }

 private:
  static size_t pages_for(int64_t length) {
    return static_cast<size_t>((length + ops::kPageTokens - 1) / ops::kPageTokens);
  }
  std::vector<std::byte> memory_;
  std::vector<std::vector<std::byte*>> tables_;
};

}  // namespace varve::kernels::test

#define VARVE_EVERY_TABLE(fixture) \
  INSTANTIATE_TEST_SUITE_P(        \
      Tables, fixture, ::testing::ValuesIn(all_op_kernels().begin(), all_op_kernels().end()), name_of_table)

/// All but ref, which stands last.
#define VARVE_EVERY_VECTOR_TABLE(fixture)                                                             \
  GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(fixture);                                             \
  INSTANTIATE_TEST_SUITE_P(Tables, fixture,                                                           \
                           ::testing::ValuesIn(all_op_kernels().begin(), all_op_kernels().end() - 1), \
                           name_of_table)
