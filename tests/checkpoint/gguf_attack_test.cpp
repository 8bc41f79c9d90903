// Every rule about a GGUF file, each with a file that breaks it.
#include "checkpoint/gguf.h"
#include "checkpoint/refusal.h"
#include "support/gguf_writer.h"

namespace varve::checkpoint {
namespace {

using test::Attack;
using test::bytes_of;
using test::gguf_array;
using test::gguf_text;
using test::GgufKind;
using test::GgufWriter;

void read(const std::string& bytes) { read_gguf(test::as_bytes(bytes), "x.gguf"); }

std::string with(std::string_view key, GgufKind kind, std::string_view value) {
  return GgufWriter().put(key, kind, value).bytes();
}
std::string with(GgufWriter::Tensor tensor) { return GgufWriter().add(std::move(tensor)).bytes(); }

std::string claiming(uint64_t tensors, uint64_t metadata) {
  GgufWriter writer;
  writer.claimed_tensors = tensors;
  writer.claimed_metadata = metadata;
  return writer.bytes();
}

std::string of_version(uint32_t version) {
  GgufWriter writer;
  writer.version = version;
  return writer.bytes();
}

TEST(GgufAttack, Header) {
  const std::vector<Attack> attacks = {
      {"empty", "", {"x.gguf", "not a GGUF file"}},
      {"another magic", "GGML" + std::string(60, '\0'), {"not a GGUF file"}},
      {"nothing but the magic", "GGUF", {"ends within the header"}},
      {"version 0", of_version(0), {"big-endian"}},
      {"version 1", of_version(1), {"version 1 is not read", "2 or 3", "Convert the model again"}},
      {"version 4", of_version(4), {"version 4 is not read", "newer"}},
      {"big-endian", of_version(0x03000000), {"big-endian", "little-endian"}},
      {"2^64 tensors", claiming(UINT64_MAX, 0), {"more tensors than it can hold", "18446744073709551615"}},
      {"a billion tensors", claiming(1'000'000'000, 0), {"more tensors than it can hold"}},
      {"2^64 keys", claiming(0, UINT64_MAX), {"more metadata than it can hold"}},
      {"one key too many", claiming(0, 1), {"more metadata"}},
      {"one tensor too many", claiming(1, 0), {"more tensors"}},
  };
  EXPECT_EQ(test::expect_refused(attacks, read), attacks.size());
}

TEST(GgufAttack, Metadata) {
  const uint64_t huge = uint64_t{1} << 61;
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += gguf_array(GgufKind::array, 1, "");
  const std::vector<Attack> attacks = {
      {"key twice", GgufWriter().put_u32("a", 1).put_u32("a", 2).bytes(), {"\"a\" stands twice"}},
      {"empty key", GgufWriter().put_u32("", 1).bytes(), {"key is empty"}},
      {"long key", GgufWriter().put_u32(std::string(1025, 'k'), 1).bytes(), {"too long", "1024"}},
      {"key not UTF-8", GgufWriter().put_u32("a\xff", 1).bytes(), {"not UTF-8", "a\\xff"}},
      {"overlong UTF-8", GgufWriter().put("a", "\xc0\xaf").bytes(), {"\"a\"", "not UTF-8"}},
      {"a surrogate", GgufWriter().put("a", "\xed\xa0\x80").bytes(), {"not UTF-8"}},
      {"unknown type",
       with("a", static_cast<GgufKind>(13), "1234"),
       {"metadata \"a\"", "type is unknown", "13"}},
      {"text of 2^64 bytes", with("a", GgufKind::text, bytes_of(UINT64_MAX)), {"\"a\" is too long"}},
      {"text longer than the file",
       with("a", GgufKind::text, bytes_of(uint64_t{1000}) + "abc"),
       {"ends within metadata \"a\"", "1000 more bytes"}},
      {"a template above its cap",
       GgufWriter().put("tokenizer.chat_template", std::string((1 << 20) + 1, ' ')).bytes(),
       {"tokenizer.chat_template", "too long", "1048576"}},
      {"truth value 2", with("a", GgufKind::boolean, "\2"), {"neither 0 nor 1"}},
      {"array of 2^61", with("a", GgufKind::array, gguf_array(GgufKind::u64, huge, "")), {"too many items"}},
      {"array whose bytes wrap to 0",
       with("a", GgufKind::array, gguf_array(GgufKind::u64, huge * 4, "")),
       {"too many items"}},
      {"array longer than the file",
       with("a", GgufKind::array, gguf_array(GgufKind::u32, 1000, "1234")),
       {"too many items"}},
      {"array above the cap",
       with("a", GgufKind::array, gguf_array(GgufKind::u8, 1'000'001, std::string(1'000'001, 'x'))),
       {"too many items", "1000000", "1000001"}},
      {"array of an unknown type",
       with("a", GgufKind::array, gguf_array(static_cast<GgufKind>(99), 1, "1")),
       {"type is unknown", "99"}},
      {"arrays in arrays", with("a", GgufKind::array, deep), {"nested deeper than 4"}},
      {"alignment 0", GgufWriter().put_u32("general.alignment", 0).bytes(), {"general.alignment", "0"}},
      {"alignment 24", GgufWriter().put_u32("general.alignment", 24).bytes(), {"general.alignment", "24"}},
      {"alignment 2^31", GgufWriter().put_u32("general.alignment", 1u << 31).bytes(), {"general.alignment"}},
      {"alignment a text",
       GgufWriter().put("general.alignment", "32").bytes(),
       {"general.alignment", "text"}},
  };
  EXPECT_EQ(test::expect_refused(attacks, read), attacks.size());
}

TEST(GgufAttack, ArraysTogether) {
  GgufWriter writer;
  const std::string items(1'000'000, 'x');
  for (const char* key : {"a", "b", "c", "d", "e"})
    writer.put(key, GgufKind::array, gguf_array(GgufKind::u8, items.size(), items));
  EXPECT_THAT(
      test::refusal_of([&] { read(writer.bytes()); }),
      testing::AllOf(testing::HasSubstr("\"e\""), testing::HasSubstr("more than 4000000 items together")));
}

TEST(GgufAttack, Vocabulary) {
  const auto floats = [](size_t n) { return gguf_array(GgufKind::f32, n, std::string(n * 4, '\0')); };
  const std::vector<Attack> attacks = {
      {"tokens that are numbers",
       with("tokenizer.ggml.tokens", GgufKind::array, floats(2)),
       {"tokenizer.ggml.tokens", "wrong type", "string", "f32"}},
      {"token not UTF-8",
       GgufWriter().put_texts("tokenizer.ggml.tokens", {"ok", "\xff"}).bytes(),
       {"tokenizer.ggml.tokens", "item 1", "not UTF-8"}},
      {"token longer than the file",
       with("tokenizer.ggml.tokens", GgufKind::array, gguf_array(GgufKind::text, 1, bytes_of(uint64_t{99}))),
       {"item 0", "ends within"}},
      {"tokens above the cap",
       with("tokenizer.ggml.tokens", GgufKind::array,
            gguf_array(GgufKind::text, 4'000'001, std::string(4'000'001 * 8, '\0'))),
       {"too many items", "4000000"}},
      {"merges above the cap",
       with("tokenizer.ggml.merges", GgufKind::array,
            gguf_array(GgufKind::text, 8'000'001, std::string(8'000'001 * 8, '\0'))),
       {"too many items", "8000000"}},
      {"scores of the wrong number",
       GgufWriter()
           .put_texts("tokenizer.ggml.tokens", {"a", "b"})
           .put("tokenizer.ggml.scores", GgufKind::array, floats(3))
           .bytes(),
       {"tokenizer.ggml.scores", "one item per token", "2", "3"}},
      {"types of floats",
       with("tokenizer.ggml.token_type", GgufKind::array, floats(1)),
       {"wrong type", "i32"}},
      {"types without tokens",
       with("tokenizer.ggml.token_type", GgufKind::array, gguf_array(GgufKind::i32, 1, "1234")),
       {"token_type", "one item per token"}},
  };
  EXPECT_EQ(test::expect_refused(attacks, read), attacks.size());
}

TEST(GgufAttack, Tensors) {
  const std::string four(16, 'x');  // four F32
  const int64_t big = int64_t{1} << 62;
  const std::vector<Attack> attacks = {
      {"tensor twice",
       GgufWriter().add({"w", 0, {4}, four}).add({"w", 0, {4}, four}).bytes(),
       {"\"w\" twice"}},
      {"empty name", with({"", 0, {4}, four}), {"empty name"}},
      {"long name", with({std::string(1025, 'n'), 0, {4}, four}), {"too long"}},
      {"line end in a name", with({"a\nb", 0, {4}, four}), {"not printable", "a\\x0ab"}},
      {"nine dimensions", with({"w", 0, {1, 1, 1, 1, 1, 1, 1, 1, 4}, four}), {"more than 8 dimensions"}},
      {"size 2^63", with({"w", 0, {INT64_MIN}, four}), {"too large"}},
      {"elements wrap", with({"w", 0, {big, 4}, four}), {"64 bits"}},
      {"bytes wrap", with({"w", 0, {big}, four}), {"64 bits"}},
      {"unknown type", with({"w", 4711, {4}, four}), {"\"w\"", "unknown number 4711", "Q4_0"}},
      {"type that was withdrawn", with({"w", 4, {4}, four}), {"Q4_2"}},
      {"row no multiple of a block",
       with({"w", 8, {2, 16}, std::string(34, 'x')}),
       {"multiple of 32", "Q8_0 [2, 16]"}},
      {"row no multiple of a K-quant's block",
       with({"w", 12, {2, 128}, std::string(144, 'x')}),
       {"multiple of 256", "Q4_K [2, 128]"}},
      {"K-quant cut short", with({"w", 14, {2, 256}, std::string(416, 'x')}), {"ends beyond the file"}},
      {"elements of K-quants wrap", with({"w", 10, {big, 256}, four}), {"64 bits"}},
      {"offset not aligned", with({"w", 0, {4}, four, 4}), {"not aligned", "32"}},
      {"offset beyond the file", with({"w", 0, {4}, four, 1 << 20}), {"ends beyond the file"}},
      {"offset that wraps", with({"w", 0, {4}, four, UINT64_MAX - 31}), {"ends beyond the file"}},
      {"data cut short", with({"w", 0, {5}, four}), {"ends beyond the file"}},
      {"overlap",
       GgufWriter().add({"a", 0, {16}, four + four + four + four}).add({"b", 0, {4}, four, 32}).bytes(),
       {"\"b\"", "overlaps"}},
      {"hole",
       GgufWriter().add({"a", 0, {4}, four}).add({"b", 0, {4}, std::string(64, 'x') + four, 96}).bytes(),
       {"hole"}},
      {"rest at the end", with({"w", 0, {4}, four}) + std::string(64, 'x'), {"goes on after"}},
  };
  EXPECT_EQ(test::expect_refused(attacks, read), attacks.size());
}

TEST(GgufAttack, TypesThatAreNotReadAreNamed) {
  GgufWriter writer;
  writer.add({"token_embd.weight", 23, {256}, std::string(136, 'x')});
  writer.add({"blk.0.attn_q.weight", 18, {256}, std::string(98, 'x')});
  writer.add({"blk.1.attn_q.weight", 18, {256}, std::string(98, 'x')});
  writer.add({"blk.2.attn_q.weight", 18, {256}, std::string(98, 'x')});
  EXPECT_THAT(test::refusal_of([&] { read(writer.bytes()); }),
              testing::AllOf(testing::HasSubstr("IQ4_XS in 1 tensor (\"token_embd.weight\")"),
                             testing::HasSubstr("IQ3_XXS in 3 tensors (\"blk.0.attn_q.weight\""),
                             testing::HasSubstr("Take a Q4_K_M")));
}

TEST(GgufAttack, EveryTruncationOfAGoodFileIsRefused) {
  const std::string good = GgufWriter()
                               .put("general.architecture", "llama")
                               .put_texts("tokenizer.ggml.tokens", {"a", "bc"})
                               .put("list", GgufKind::array, gguf_array(GgufKind::u16, 3, "aabbcc"))
                               .add({"w", 8, {1, 32}, std::string(34, 'x')})
                               .add({"v", 0, {2}, "12345678"})
                               .bytes();
  EXPECT_NO_THROW(read(good));
  for (size_t length = 0; length < good.size(); ++length)
    EXPECT_NE(test::refusal_of([&] { read(good.substr(0, length)); }), "(not refused)") << length << " bytes";
}

}  // namespace
}  // namespace varve::checkpoint
