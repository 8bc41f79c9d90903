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

// The bytes before the text choose a syntax by its place in the list.
void syntax_seeds(const std::filesystem::path& dir) {
  const char* const answers[] = {
      R"(<tool_call>{"name": "f", "arguments": {"a": "x\u00e9\n", "b": -1.5, "c": [null, {}]}}</tool_call>)",
      "<think>\nx\n</think>\n<tool_call>\n<function=f>\n<parameter=a>\nx\n</parameter>\n</function>\n</"
      "tool_call>",
      "<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>x</arg_value>\n</tool_call>",
      R"([TOOL_CALLS]f[CALL_ID]abc[ARGS]{"a": 'x'})",
      R"([f(a="x", b=1, c=(1, None)), g()])",
      R"(<|tool_calls_section_begin|><|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{}<|tool_call_end|>)",
      R"(<|channel|>analysis<|message|>x<|end|><|start|>assistant<|channel|>commentary to=functions.f<|message|>{}<|call|>)",
      R"(<|tool_call>call:f{a:<|"|>x<|"|>,b:1}<tool_call|>)"};
  for (int syntax = 0; syntax < 40; ++syntax) {
    for (size_t i = 0; i < std::size(answers); ++i) {
      const std::string head = {static_cast<char>(syntax), static_cast<char>(9), static_cast<char>(i)};
      write_file(dir / (std::to_string(syntax) + "_" + std::to_string(i)), head + answers[i]);
    }
  }
}

// The byte before the body chooses the protocol.
void protocol_seeds(const std::filesystem::path& dir) {
  const char* const bodies[] = {
      R"({"messages":[{"role":"user","content":[{"type":"text","text":"a"}]},{"role":"assistant","tool_calls":[{"id":"c",)"
      R"("function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"b"}],"tools":)"
      R"([{"type":"function","function":{"name":"f","strict":true}}],"tool_choice":"required","stream":true})",
      R"({"prompt":[[1,2],"a"],"n":2,"logprobs":3,"echo":true,"logit_bias":{"1":-100},"stop":["x"],"seed":-1})",
      R"({"max_tokens":5,"system":[{"type":"text","text":"x-anthropic-billing-header: a=b; cch=1;"}],"messages":)"
      R"([{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":"x","is_error":true}]},)"
      R"({"role":"system","content":"<total_tokens>5</total_tokens>"}],"thinking":{"type":"adaptive"}})",
      R"({"messages":[{"role":"user","content":"a"}],"response_format":{"type":"json_schema","json_schema":{"name":)"
      R"("x","schema":{"type":"object"}}},"guided_choice":["a.b"],"reasoning_effort":"low","top_k":-1})"};
  for (int protocol = 0; protocol < 4; ++protocol)
    for (size_t i = 0; i < std::size(bodies); ++i)
      write_file(dir / (std::to_string(protocol) + "_" + std::to_string(i)),
                 std::string(1, static_cast<char>(protocol)) + bodies[i]);
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
  syntax_seeds(corpus / "syntax");
  protocol_seeds(corpus / "protocol");
  return 0;
}
