#include "runtime/text_export.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "runtime/text_files.h"
#include "support/data.h"
#include "text/sentencepiece.h"

namespace varve::runtime {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

std::vector<std::string> names_of(const std::vector<NamedText>& files) {
  std::vector<std::string> names;
  for (const NamedText& file : files) names.push_back(file.name);
  return names;
}

std::string text_of(const std::vector<NamedText>& files, const std::string& name) {
  const auto found = std::find_if(files.begin(), files.end(), [&](const auto& f) { return f.name == name; });
  return found == files.end() ? "" : found->text;
}

/// A directory that holds the files.
fs::path written(const std::vector<NamedText>& files) {
  const fs::path directory = test::scratch_dir();
  for (const NamedText& file : files) {
    fs::create_directories((directory / file.name).parent_path());
    std::ofstream(directory / file.name, std::ios::binary) << file.text;
  }
  return directory;
}

std::vector<int32_t> encode(const engine::ModelText& text, std::string_view what, bool special) {
  return text.tokenizer().encode(what, {.add_special = special}).value();
}

/// Whatever is asked of the files, they answer as the checkpoint itself.
void expect_same_text(const checkpoint::Checkpoint& checkpoint, const fs::path& directory) {
  const auto inside = load_text(checkpoint), outside = load_text(directory);
  std::vector<std::string> texts{"", "Hello, world!", "  def f(x):\n\treturn x  # 1234567", "naïve 世界 😀",
                                 "<|im_start|> </s>"};
  if (const auto file = test::shared_data("prompts/tinyshakespeare.txt"); fs::exists(file))
    texts.push_back(read_text(file, size_t{8} << 20).substr(0, 20000));
  for (const std::string& text : texts)
    for (const bool special : {false, true}) {
      const std::vector<int32_t> ids = encode(*inside, text, special);
      EXPECT_EQ(encode(*outside, text, special), ids) << text.substr(0, 60);
      EXPECT_EQ(outside->tokenizer().decode(ids), inside->tokenizer().decode(ids));
    }
  EXPECT_EQ(outside->tokenizer().special_tokens(), inside->tokenizer().special_tokens());
  EXPECT_EQ(outside->tokenizer().vocab_size(), inside->tokenizer().vocab_size());
  for (int32_t id = 0; id < inside->tokenizer().vocab_size(); ++id)
    ASSERT_EQ(outside->tokenizer().is_control(id), inside->tokenizer().is_control(id)) << id;
  const text::TextAssets made = text_assets_of(checkpoint), read = text::load_text_assets(directory);
  EXPECT_EQ(read.chat_templates, made.chat_templates);
}

checkpoint::Checkpoint small_file(const std::string& more = "{}") {
  checkpoint::Checkpoint file;
  file.layout = checkpoint::Checkpoint::Layout::gguf;
  file.path = "small.gguf";
  file.config = json::parse(R"({"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "smollm",
    "tokenizer.ggml.eos_token_id": 0, "tokenizer.ggml.bos_token_id": 8,
    "tokenizer.chat_template": "{{ messages[0].content }}\n", "tokenizer.chat_template.tool_use": "tools"})")
                    .value();
  const Value extra = json::parse(more).value();
  for (const auto& [key, value] : extra.table()) file.config.table().set(key, value);
  file.vocabulary =
      checkpoint::GgufVocabulary{.tokens = {"<end>", "1", "2", "12", "a", "Ġ", "Ġa", "  a", "<begin>"},
                                 .scores = {},
                                 .types = {3, 1, 1, 1, 1, 1, 1, 4, 3},
                                 .merges = {"1 2", "Ġ a"},
                                 .charsmap = {}};
  return file;
}

TEST(TextExport, GgufBecomesTheFilesOfADirectory) {
  const std::vector<NamedText> files = text_files(small_file());
  EXPECT_THAT(names_of(files),
              ElementsAre("additional_chat_templates/tool_use.jinja", "chat_template.jinja",
                          "generation_config.json", "tokenizer.json", "tokenizer_config.json"));
  EXPECT_EQ(text_of(files, "chat_template.jinja"), "{{ messages[0].content }}\n");
  EXPECT_EQ(text_of(files, "generation_config.json"),
            "{\n  \"bos_token_id\": 8,\n  \"eos_token_id\": 0\n}\n");
  EXPECT_EQ(text_of(files, "tokenizer_config.json"), R"({
  "add_bos_token": false,
  "add_eos_token": false,
  "bos_token": "<begin>",
  "chat_template": "{{ messages[0].content }}\n",
  "clean_up_tokenization_spaces": false,
  "eos_token": "<end>",
  "tokenizer_class": "PreTrainedTokenizerFast"
}
)");
}

TEST(TextExport, MarksAroundATextAreKept) {
  const checkpoint::Checkpoint file =
      small_file(R"({"tokenizer.ggml.add_bos_token": true, "tokenizer.ggml.add_eos_token": true})");
  const fs::path directory = written(text_files(file));
  const auto text = load_text(directory);
  EXPECT_EQ(encode(*text, "1 a", true), (std::vector<int32_t>{8, 1, 6, 0}));
  EXPECT_EQ(encode(*text, "1 a", false), (std::vector<int32_t>{1, 6}));
  // And without tokenizer_config.json: tokenizer.json says it alone.
  fs::remove(directory / "tokenizer_config.json");
  EXPECT_EQ(encode(*load_text(directory), "1 a", true), (std::vector<int32_t>{8, 1, 6, 0}));
}

TEST(TextExport, NoTemplateLeadsOutOfTheDirectory) {
  const checkpoint::Checkpoint file = small_file(R"({"tokenizer.chat_template.../../x": "y"})");
  for (const NamedText& made : text_files(file)) EXPECT_EQ(made.name.find(".."), std::string::npos);
}

TEST(TextExport, WithoutTokenizerOnlyWhatIsSaid) {
  checkpoint::Checkpoint file = small_file();
  file.vocabulary.reset();
  EXPECT_THAT(names_of(text_files(file)), ElementsAre("generation_config.json"));
  file.config = Value(Table{});
  EXPECT_TRUE(text_files(file).empty());
}

TEST(TextExport, SentencepieceVocabularyGivesTheSameIds) {
  const fs::path model = test::shared_data("tokenizers/llama2/tokenizer.model");
  VARVE_NEEDS(model);
  checkpoint::Checkpoint file =
      small_file(R"({"tokenizer.ggml.model": "llama", "tokenizer.ggml.pre": "default",
    "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2, "tokenizer.ggml.unknown_token_id": 0})");
  file.vocabulary = checkpoint::GgufVocabulary{};
  for (const auto& piece : text::read_sentencepiece(read_text(model, 1 << 20), "x").pieces) {
    file.vocabulary->tokens.push_back(piece.text);
    file.vocabulary->scores.push_back(piece.score);
    file.vocabulary->types.push_back(static_cast<int32_t>(piece.type));
  }
  const fs::path directory = written(text_files(file));
  expect_same_text(file, directory);
  EXPECT_EQ(encode(*load_text(directory), "Hi", true).front(), 1);
}

TEST(TextExport, DefaultModelGivesTheSameIds) {
  VARVE_NEEDS(test::smollm2_file());
  const checkpoint::Checkpoint file = checkpoint::Checkpoint::open(test::smollm2_file());
  expect_same_text(file, written(text_files(file)));
}

TEST(TextExport, FilesOfADirectoryAreCopied) {
  const fs::path directory = test::scratch_dir();
  fs::create_directories(directory / "additional_chat_templates");
  fs::create_directories(directory / "LICENSES");
  for (const char* name :
       {"config.json", "model.safetensors", "model.safetensors.index.json", "tokenizer.json",
        "tokenizer_config.json", "tokenizer.model", "vocab.json", "merges.txt", "special_tokens_map.json",
        "chat_template.jinja", "generation_config.json", "README.md", "LICENSE.txt", "modeling_x.py",
        "optimizer.pt", ".gitattributes", "additional_chat_templates/rag.jinja"})
    std::ofstream(directory / name) << name;
  checkpoint::Checkpoint checkpoint;
  checkpoint.path = directory;
  const std::vector<NamedText> files = text_files(checkpoint);
  EXPECT_THAT(names_of(files), ElementsAre("LICENSE.txt", "README.md", "additional_chat_templates/rag.jinja",
                                           "chat_template.jinja", "generation_config.json", "merges.txt",
                                           "modeling_x.py", "special_tokens_map.json", "tokenizer.json",
                                           "tokenizer.model", "tokenizer_config.json", "vocab.json"));
  for (const NamedText& file : files) EXPECT_EQ(read_text(file.source, 100), file.name);
  checkpoint.path = directory / "model.safetensors";
  EXPECT_EQ(text_files(checkpoint).size(), files.size());
}

}  // namespace
}  // namespace varve::runtime
