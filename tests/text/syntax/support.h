#pragma once
// What the tests of src/text/syntax share: the tools that are offered, reading an answer in pieces, case
// files.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "core/file.h"
#include "core/json.h"
#include "support/data.h"
#include "text/syntax/reader.h"
#include "text/syntax/registry.h"

namespace varve::text::syntax {

/// The tools that every case offers.
inline const ToolSet& offered_tools() {
  static const ToolSet kTools = [] {
    const auto schema = [](const char* json) { return json::parse(json).value(); };
    return ToolSet({
        {.name = "get_weather", .parameters = schema(R"({"type": "object", "properties": {
            "city": {"type": "string"}, "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            "days": {"type": "integer"}}, "required": ["city"]})")},
        {.name = "add", .parameters = schema(R"({"type": "object", "properties": {"a": {"type": "number"},
            "b": {"type": "number"}}, "required": ["a", "b"]})")},
        {.name = "write_file",
         .parameters = schema(R"({"type": "object", "properties": {"path": {"type": "string"},
            "content": {"type": "string"}}, "required": ["path", "content"]})")},
        {.name = "search",
         .parameters = schema(R"({"type": "object", "properties": {"query": {"type": "string"},
            "limit": {"type": "integer"}, "exact": {"type": "boolean"}, "tags": {"type": "array", "items": {"type": "string"}},
            "filters": {"$ref": "#/$defs/filters"}, "after": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "any": {}}, "required": ["query"], "$defs": {"filters": {"type": "object", "properties": {"lang":
            {"type": "string"}, "min": {"type": "number"}}}}})")},
        {.name = "now", .parameters = schema(R"({"type": "object", "properties": {}})")},
        {.name = "free", .parameters = Value()},
    });
  }();
  return kTools;
}

/// Lengthens the last piece where two pushes gave parts of one.
inline void join(std::vector<Piece>& all, const std::vector<Piece>& more) {
  for (const Piece& piece : more) append_piece(all, piece);
}

/// Reads `text` cut at `cuts`, which are sorted.
inline std::vector<Piece> read_cut(const SyntaxChoice& choice, const ReadOptions& options,
                                   std::string_view text, const std::vector<size_t>& cuts) {
  const auto reader = make_reader(choice, options);
  std::vector<Piece> all;
  size_t at = 0;
  const auto push = [&](size_t end) {
    std::vector<Piece> out;
    reader->push(text.substr(at, end - at), out);
    join(all, out);
    at = end;
  };
  for (const size_t cut : cuts) push(cut);
  push(text.size());
  std::vector<Piece> out;
  reader->finish(out);
  join(all, out);
  return all;
}

inline std::vector<Piece> read_whole(const SyntaxChoice& choice, const ReadOptions& options,
                                     std::string_view text) {
  return read_cut(choice, options, text, {});
}

/// One line a piece, a call in one line: what case files expect.
inline std::string show(const std::vector<Piece>& pieces) {
  std::string out;
  std::string call;
  for (const Piece& piece : pieces) {
    if (const auto* text = std::get_if<TextPiece>(&piece)) out += "text " + json::dump(text->text) + "\n";
    if (const auto* thought = std::get_if<ReasoningPiece>(&piece))
      out += "thought " + json::dump(thought->text) + "\n";
    if (const auto* start = std::get_if<ToolStartPiece>(&piece)) {
      call = " " + start->name + (start->id.empty() ? "" : "#" + start->id) + " ";
    }
    if (const auto* arguments = std::get_if<ToolArgumentsPiece>(&piece)) call += arguments->json_delta;
    if (const auto* end = std::get_if<ToolEndPiece>(&piece))
      out += (end->complete ? "call" : "broken") + call + "\n";
  }
  return out;
}

/// Every piece stands where it may, and complete calls have an object for arguments.
inline void expect_well_formed(const std::vector<Piece>& pieces) {
  int index = 0;
  bool open = false;
  std::string arguments;
  for (const Piece& piece : pieces) {
    if (const auto* start = std::get_if<ToolStartPiece>(&piece)) {
      EXPECT_FALSE(open);
      EXPECT_EQ(start->index, index);
      open = true;
      arguments.clear();
    } else if (const auto* delta = std::get_if<ToolArgumentsPiece>(&piece)) {
      EXPECT_TRUE(open);
      EXPECT_EQ(delta->index, index);
      arguments += delta->json_delta;
    } else if (const auto* end = std::get_if<ToolEndPiece>(&piece)) {
      EXPECT_TRUE(open);
      EXPECT_EQ(end->index, index++);
      open = false;
      const auto parsed = json::parse(arguments);
      EXPECT_EQ(end->complete, parsed.ok() && parsed.value().is_table()) << arguments;
    } else {
      EXPECT_FALSE(open) << "text inside a call";
    }
  }
  EXPECT_FALSE(open);
}

/// One answer and what it is made of.
struct Case {
  std::string name;
  std::string input;
  std::string expected;
  std::string expected_whole;  // when calls are told whole; "" where that is the same
  bool in_thought = false;
  bool any_tool = false;
  bool grammar = false;  // it is what tool_grammar() asks for
};

struct CaseFile {
  SyntaxChoice choice;
  std::vector<Case> cases;
};

/// tests/cases/syntax/*.case: two lines "tools NAME" and "reasoning NAME", then for each case a line
/// "== what it is", with "[thought]" where the prompt ends inside one, "[any tool]" where names that are not
/// offered are taken and "[grammar]" where tool_grammar() asks for exactly this; the answer's text; a line
/// "-->" and the pieces; where it differs, "--> whole" and those of calls told whole.
inline CaseFile read_cases(const std::filesystem::path& file) {
  CaseFile out;
  std::istringstream lines(read_text(file, 1 << 20));
  std::string tools;
  std::string reasoning;
  std::string* section = nullptr;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("== ")) {
      out.cases.push_back({.name = line.substr(3)});
      Case& one = out.cases.back();
      one.in_thought = line.find("[thought]") != std::string::npos;
      one.any_tool = line.find("[any tool]") != std::string::npos;
      one.grammar = line.find("[grammar]") != std::string::npos;
      section = &one.input;
    } else if (out.cases.empty()) {
      if (line.starts_with("tools ")) tools = line.substr(6);
      if (line.starts_with("reasoning ")) reasoning = line.substr(10);
    } else if (line == "-->") {
      section = &out.cases.back().expected;
    } else if (line == "--> whole") {
      section = &out.cases.back().expected_whole;
    } else if (section == &out.cases.back().input || !line.empty()) {
      *section += line + "\n";
    }
  }
  for (Case& one : out.cases) {
    if (!one.input.empty()) one.input.pop_back();
  }
  const auto choice = override_syntax(detect("", {}), tools, reasoning);
  EXPECT_TRUE(choice.ok()) << file;
  if (choice.ok()) out.choice = choice.value();
  return out;
}

inline std::vector<std::filesystem::path> case_files() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(test::source_dir() / "tests/cases/syntax")) {
    if (entry.path().extension() == ".case") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace varve::text::syntax
