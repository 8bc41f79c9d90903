// Writes small valid files into CORPUS/<target>/, from which the fuzzers start.
#include <cstdio>

#include "support/gguf_writer.h"
#include "support/safetensors_writer.h"

namespace {

using namespace varve::test;  // NOLINT: a program of one page

void safetensors_seeds(const std::filesystem::path& dir) {
  write_file(dir / "empty", raw_safetensors("{}"));
  write_file(dir / "two", safetensors({{"a", "F32", {2}, "12345678"}, {"b", "U8", {}, "x"}}));
  write_file(dir / "padded",
             safetensors({{"a.weight", "BF16", {1, 2}, "1234"}, {"n", "F4", {0, 3}, ""}}, true));
}

void gguf_seeds(const std::filesystem::path& dir) {
  write_file(dir / "empty", GgufWriter().bytes());
  GgufWriter writer;
  writer.put("general.architecture", "x").put_u32("general.alignment", 32).put_f32("x.eps", 1e-5f);
  writer.put_texts("tokenizer.ggml.tokens", {"a", "b"}).put_texts("tokenizer.ggml.merges", {"a b"});
  writer.put("tokenizer.ggml.scores", GgufKind::array, gguf_array(GgufKind::f32, 2, "12345678"));
  writer.put("x.list", GgufKind::array, gguf_array(GgufKind::array, 1, gguf_array(GgufKind::u8, 2, "ab")));
  writer.add({"a", 2, {1, 32}, std::string(18, 'q')}).add({"b", 3, {32}, std::string(20, 'q')});
  writer.add({"c", 6, {1, 32}, std::string(22, 'q')}).add({"d", 7, {32}, std::string(24, 'q')});
  writer.add({"e", 8, {2, 1, 32}, std::string(68, 'q')}).add({"f", 0, {}, "abcd"});
  for (const auto& [type, bytes] : {std::pair{10u, 84u}, {11u, 110u}, {12u, 144u}, {13u, 176u}, {14u, 210u}})
    writer.add({"k" + std::to_string(type), type, {2, 256}, std::string(2 * bytes, 'q')});
  write_file(dir / "all", writer.bytes());
}

void config_seeds(const std::filesystem::path& dir) {
  write_file(dir / "plain", R"({"model_type":"x","n":1e-5,"a":[1,null,true]})");
  write_file(dir / "affine",
             R"({"quantization":{"group_size":64,"bits":4,"mode":"affine","a.b":{"bits":8},"c":false}})");
  write_file(dir / "mx",
             R"({"quantization":{"mode":"mxfp4","group_size":null,"a":true,"b":{"mode":"nvfp4"}}})");
  write_file(dir / "foreign",
             R"({"quantization_config":{"quant_method":"fp8","weight_block_size":[128,128]}})");
  write_file(dir / "nested", R"({"text_config":{"quantization_config":{"load_in_4bit":true}},"x":NaN})");
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::fputs("usage: fuzz_seeds CORPUS\n", stderr);
    return 2;
  }
  const std::filesystem::path corpus = arguments[1];
  safetensors_seeds(corpus / "safetensors");
  gguf_seeds(corpus / "gguf");
  config_seeds(corpus / "config");
  return 0;
}
