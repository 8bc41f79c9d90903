// Every rule about a safetensors header, each with a file that breaks it.
#include <fmt/format.h>

#include "checkpoint/refusal.h"
#include "checkpoint/safetensors_header.h"
#include "support/safetensors_writer.h"

namespace varve::checkpoint {
namespace {

using test::Attack;
using test::bytes_of;
using test::raw_safetensors;

void read(const std::string& bytes) { read_safetensors_header(test::as_bytes(bytes), "x.safetensors"); }

/// One tensor "w" with the given entry and eight bytes of data.
std::string one(std::string_view entry, std::string_view data = "12345678") {
  return raw_safetensors(fmt::format(R"({{"w":{}}})", entry), data);
}

std::string length_only(uint64_t length, size_t rest) { return bytes_of(length) + std::string(rest, '{'); }

TEST(SafetensorsAttack, Length) {
  const std::vector<Attack> attacks = {
      {"empty file", "", {"x.safetensors", "too short", "0 bytes"}},
      {"seven bytes", "1234567", {"too short", "7 bytes"}},
      {"no header", length_only(0, 0), {"does not begin with '{'"}},
      {"longer than the file", length_only(100, 10), {"longer than the file", "at most 10", "100"}},
      {"one byte longer than the file", length_only(11, 10), {"longer than the file"}},
      {"wraps when 8 is added", length_only(UINT64_MAX - 3, 10), {"beyond the limit"}},
      {"negative", length_only(uint64_t{1} << 63, 10), {"beyond the limit"}},
      {"above the cap", length_only(100'000'001, 10), {"beyond the limit", "100000000"}},
  };
  EXPECT_EQ(test::expect_refused(attacks, read), attacks.size());
}

TEST(SafetensorsAttack, Text) {
  const std::vector<Attack> attacks = {
      {"blank first", raw_safetensors(" {}"), {"does not begin with '{'"}},
      {"a list", raw_safetensors("[]"), {"does not begin with '{'"}},
      {"byte order mark", raw_safetensors("\xef\xbb\xbf{}"), {"does not begin with '{'"}},
      {"padded with zeros", raw_safetensors(std::string("{}\0\0", 4)), {"does not end with '}'"}},
      {"padded with line ends", raw_safetensors("{}\n\n"), {"does not end with '}'"}},
      {"blanks only after nothing", raw_safetensors("{       "), {"does not end with '}'"}},
      {"two documents", raw_safetensors("{}{}"), {"not valid JSON at byte 11"}},
      {"open string", raw_safetensors(R"({"w})"), {"not valid JSON"}},
      {"not UTF-8", raw_safetensors("{\"w\xff\":{}}"), {"not valid JSON"}},
      {"comment", raw_safetensors("{/**/}"), {"not valid JSON"}},
      {"deep lists", raw_safetensors("{\"w\":" + std::string(100'000, '[') + "}"), {"malformed", "a list"}},
      {"deep objects",
       raw_safetensors("{\"w\":" +
                       [] {
                         std::string deep;
                         for (int i = 0; i < 50'000; ++i) deep += "{\"dtype\":";
                         return deep;
                       }() +
                       "}"),
       {"malformed", "an object"}},
  };
  EXPECT_EQ(test::expect_refused(attacks, read), attacks.size());
}

TEST(SafetensorsAttack, Entries) {
  const std::string good = R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
  const std::vector<Attack> attacks = {
      {"tensor twice",
       raw_safetensors(fmt::format(R"({{"w":{},"w":{}}})", good, good), "12345678"),
       {"\"w\" twice"}},
      {"tensor twice, spelt apart",
       raw_safetensors(fmt::format(R"({{"w":{},"\u0077":{}}})", good, good), "12345678"),
       {"\"w\" twice"}},
      {"member twice",
       one(R"({"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]})"),
       {"dtype twice"}},
      {"no dtype", one(R"({"shape":[2],"data_offsets":[0,8]})"), {"tensor \"w\"", "incomplete", "no dtype"}},
      {"no shape", one(R"({"dtype":"F32","data_offsets":[0,8]})"), {"incomplete", "no shape"}},
      {"no offsets", one(R"({"dtype":"F32","shape":[2]})"), {"incomplete", "no data_offsets"}},
      {"unknown dtype", one(R"({"dtype":"Q4","shape":[2],"data_offsets":[0,8]})"), {"dtype", "\"Q4\""}},
      {"unknown member", one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8],"code":1})"), {"\"code\""}},
      {"dtype a number", one(R"({"dtype":1,"shape":[2],"data_offsets":[0,8]})"), {"malformed", "a number"}},
      {"shape a text", one(R"({"dtype":"F32","shape":"2","data_offsets":[0,8]})"), {"malformed", "a string"}},
      {"shape null", one(R"({"dtype":"F32","shape":null,"data_offsets":[0,8]})"), {"malformed", "null"}},
      {"negative size", one(R"({"dtype":"F32","shape":[-2],"data_offsets":[0,8]})"), {"negative", "-2"}},
      {"broken size", one(R"({"dtype":"F32","shape":[2.0],"data_offsets":[0,8]})"), {"whole number", "2.0"}},
      {"size 2^64", one(R"({"dtype":"F32","shape":[18446744073709551616],"data_offsets":[0,8]})"), {"2^64"}},
      {"size 2^63",
       one(R"({"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,8]})"),
       {"too large"}},
      {"nine dimensions",
       one(R"({"dtype":"U8","shape":[1,1,1,1,1,1,1,1,8],"data_offsets":[0,8]})"),
       {"more than 8 dimensions"}},
      {"one offset", one(R"({"dtype":"F32","shape":[2],"data_offsets":[8]})"), {"not a pair"}},
      {"three offsets", one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8,8]})"), {"not a pair"}},
      {"an entry that is a text", one(R"("F32")"), {"malformed", "a string"}},
      {"empty name", raw_safetensors(fmt::format(R"({{"":{}}})", good), "12345678"), {"empty name"}},
      {"long name",
       raw_safetensors(fmt::format(R"({{"{}":{}}})", std::string(1025, 'w'), good), "12345678"),
       {"too long", "1024", "1025"}},
      {"control characters in a name",
       raw_safetensors(fmt::format(R"({{"a\u001b[2J":{}}})", good), "12345678"),
       {"not printable", "a\\x1b[2J"}},
      {"metadata a list", raw_safetensors(R"({"__metadata__":[]})"), {"__metadata__", "a list"}},
      {"metadata of numbers",
       raw_safetensors(R"({"__metadata__":{"format":1}})"),
       {"__metadata__", "a number"}},
      {"metadata nested",
       raw_safetensors(R"({"__metadata__":{"format":{}}})"),
       {"__metadata__", "an object"}},
      {"metadata twice", raw_safetensors(R"({"__metadata__":{},"__metadata__":{}})"), {"__metadata__ twice"}},
      {"metadata key twice", raw_safetensors(R"({"__metadata__":{"a":"","a":""}})"), {"key \"a\" twice"}},
  };
  EXPECT_EQ(test::expect_refused(attacks, read), attacks.size());
}

/// Two tensors of U8, "a" and "b", with any offsets and shapes.
std::string two(int64_t size_a, std::string_view range_a, int64_t size_b, std::string_view range_b,
                size_t data) {
  return raw_safetensors(fmt::format(R"({{"a":{{"dtype":"U8","shape":[{}],"data_offsets":[{}]}},)"
                                     R"("b":{{"dtype":"U8","shape":[{}],"data_offsets":[{}]}}}})",
                                     size_a, range_a, size_b, range_b),
                         std::string(data, 'x'));
}

TEST(SafetensorsAttack, Ranges) {
  const std::vector<Attack> attacks = {
      {"shape smaller than range",
       one(R"({"dtype":"F32","shape":[1],"data_offsets":[0,8]})"),
       {"do not agree", "4 bytes for F32 [1]", "8 bytes"}},
      {"shape larger than range",
       one(R"({"dtype":"F32","shape":[3],"data_offsets":[0,8]})"),
       {"do not agree"}},
      {"element count wraps to 2",
       one(R"({"dtype":"F32","shape":[4294967296,4294967296,2],"data_offsets":[0,8]})"),
       {"64 bits"}},
      {"byte count wraps to 8",
       one(R"({"dtype":"F64","shape":[2305843009213693953],"data_offsets":[0,8]})"),
       {"64 bits"}},
      {"end before begin", one(R"({"dtype":"F32","shape":[2],"data_offsets":[8,0]})"), {"before it begins"}},
      {"offsets that wrap",
       one(R"({"dtype":"U8","shape":[8],"data_offsets":[18446744073709551615,7]})"),
       {"before it begins"}},
      {"beyond the file",
       one(R"({"dtype":"U8","shape":[9],"data_offsets":[0,9]})"),
       {"beyond the file", "8 at most"}},
      {"far beyond the file",
       one(R"({"dtype":"U8","shape":[8],"data_offsets":[9223372036854775000,9223372036854775008]})"),
       {"beyond the file"}},
      {"truncated data",
       one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})", "1234567"),
       {"beyond the file"}},
      {"hole at the start", one(R"({"dtype":"U8","shape":[7],"data_offsets":[1,8]})"), {"hole"}},
      {"rest at the end", one(R"({"dtype":"U8","shape":[7],"data_offsets":[0,7]})"), {"goes on after"}},
      {"data without tensors", raw_safetensors("{}", "1"), {"goes on after"}},
      {"overlap", two(5, "0,5", 4, "4,8", 8), {"tensor \"b\"", "overlaps"}},
      {"same range", two(8, "0,8", 8, "0,8", 8), {"overlaps"}},
      {"one inside the other", two(8, "0,8", 2, "3,5", 8), {"overlaps"}},
      {"hole between", two(3, "0,3", 4, "4,8", 8), {"tensor \"b\"", "hole"}},
      {"half a byte", one(R"({"dtype":"F4","shape":[3],"data_offsets":[0,2]})", "12"), {"whole bytes"}},
  };
  EXPECT_EQ(test::expect_refused(attacks, read), attacks.size());
}

TEST(SafetensorsAttack, MoreTensorsThanTheCap) {
  std::string header = "{";
  for (int i = 0; i <= 1'000'000; ++i)
    header +=
        fmt::format("{}\"{:x}\":{{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", i ? "," : "", i);
  header += "}";
  ASSERT_LT(header.size(), 100'000'000u);
  EXPECT_THAT(test::refusal_of([&] { read(raw_safetensors(header)); }),
              ::testing::HasSubstr("more than 1000000 tensors"));
}

TEST(SafetensorsAttack, ALargeHeaderOfNothingIsRefusedWithoutBeingStored) {
  // 60 MB of sizes: as a document it would be gigabytes.
  std::string header = R"({"w":{"dtype":"U8","shape":[1)";
  for (int i = 0; i < 30'000'000; ++i) header += ",1";
  header += R"(],"data_offsets":[0,1]}})";
  EXPECT_THAT(test::refusal_of([&] { read(raw_safetensors(header, "x")); }),
              ::testing::HasSubstr("more than 8 dimensions"));
}

TEST(SafetensorsAttack, EveryTruncationOfAGoodFileIsRefused) {
  const std::string good = test::safetensors({{"a", "F32", {2}, "12345678"}, {"b", "U8", {3}, "abc"}});
  EXPECT_NO_THROW(read(good));
  for (size_t length = 0; length < good.size(); ++length)
    EXPECT_NE(test::refusal_of([&] { read(good.substr(0, length)); }), "(not refused)") << length << " bytes";
}

}  // namespace
}  // namespace varve::checkpoint
