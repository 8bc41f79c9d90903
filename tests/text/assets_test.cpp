// What is read from the files of a checkpoint directory.
#include "text/chat_template.h"
#include "text_support.h"

namespace varve::text {
namespace {

namespace fs = std::filesystem;

fs::path directory_with_tokenizer() {
  const fs::path dir = test::scratch_dir();
  write_text(dir / "tokenizer.json",
             R"({"model": {"type": "BPE", "vocab": {"a": 0, "<s>": 1}, "merges": []}})");
  return dir;
}

TEST(TextAssets, SpecialTokensAsTextOrTable) {
  const fs::path dir = directory_with_tokenizer();
  write_text(dir / "special_tokens_map.json", R"({"unk_token": "<u>", "eos_token": "<old>"})");
  write_text(dir / "tokenizer_config.json",
             R"({"bos_token": {"content": "<s>", "lstrip": false}, "eos_token": "</s>", "pad_token": null,
                 "add_bos_token": true, "chat_template": "x{{ bos_token }}",
                 "additional_special_tokens": ["<a>", {"content": "<b>"}],
                 "added_tokens_decoder": {"5": {"content": "<c>", "special": true},
                                          "6": {"content": "<d>", "special": false}}})");
  const TextAssets assets = load_text_assets(dir);
  EXPECT_EQ(assets.special_tokens, (std::map<std::string, std::string>{
                                       {"bos_token", "<s>"}, {"eos_token", "</s>"}, {"unk_token", "<u>"}}));
  EXPECT_EQ(assets.control_tokens, (std::vector<std::string>{"<a>", "<b>", "<c>"}));
  EXPECT_EQ(assets.add_bos, true);
  EXPECT_EQ(assets.add_eos, std::nullopt);
  EXPECT_EQ(assets.chat_templates.at("default"), "x{{ bos_token }}");
  // A token that tokenizer.json lists in its vocabulary only is special because the config says so.
  const Tokenizer tokenizer = Tokenizer::load(assets);
  EXPECT_TRUE(tokenizer.is_control(1));
  EXPECT_EQ(encode(tokenizer, "a<s>", {.parse_special = true}), (std::vector<int32_t>{0, 1}));
}

TEST(TextAssets, WhereChatTemplatesAre) {
  const fs::path dir = directory_with_tokenizer();
  write_text(dir / "tokenizer_config.json", R"({"chat_template": [{"name": "default", "template": "config"},
                                               {"name": "tool_use", "template": "tools"}]})");
  EXPECT_EQ(load_text_assets(dir).chat_templates,
            (std::map<std::string, std::string>{{"default", "config"}, {"tool_use", "tools"}}));
  write_text(dir / "chat_template.json", R"({"chat_template": "processor"})");
  EXPECT_EQ(load_text_assets(dir).chat_templates.at("default"), "processor");
  write_text(dir / "chat_template.jinja", "file");
  fs::create_directory(dir / "additional_chat_templates");
  write_text(dir / "additional_chat_templates" / "rag.jinja", "rag");
  EXPECT_EQ(load_text_assets(dir).chat_templates,
            (std::map<std::string, std::string>{{"default", "file"}, {"rag", "rag"}, {"tool_use", "tools"}}));
  write_text(dir / "tokenizer_config.json", R"({"chat_template": 3})");
  EXPECT_THROW(load_text_assets(dir), LoadError);
}

TEST(TextAssets, AFileOfItsOwn) {
  const fs::path dir = directory_with_tokenizer();
  fs::rename(dir / "tokenizer.json", dir / "other.json");
  EXPECT_EQ(Tokenizer::load(load_text_assets(dir / "other.json")).vocab_size(), 2);
  EXPECT_THROW(load_text_assets(dir / "missing.json"), LoadError);
}

TEST(TextAssets, NoTokenizer) {
  try {
    load_text_assets(test::scratch_dir());
    FAIL() << "an empty directory has no tokenizer";
  } catch (const LoadError& e) {
    EXPECT_NE(std::string(e.what()).find("tokenizer.json or tokenizer.model"), std::string::npos);
    EXPECT_FALSE(e.parts().advice.empty());
  }
}

}  // namespace
}  // namespace varve::text
