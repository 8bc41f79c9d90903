// Any answer, read by any syntax: the pieces do not depend on the cuts, calls are well formed, and what is no
// call is text to the last byte. The first three bytes choose the syntaxes, the options and the cuts.
#include <string>
#include <vector>

#include "core/error.h"
#include "core/json.h"
#include "text/syntax/reader.h"
#include "text/syntax/registry.h"

namespace {

using namespace varve::text::syntax;  // NOLINT: a program of one page

const ToolSet& tools() {
  static const ToolSet kTools({{.name = "f",
                                .parameters = varve::json::parse(R"({"type": "object", "properties": {
      "a": {"type": "string"}, "b": {"type": "number"}, "c": {"type": ["array", "null"]}}})")
                                                  .value()},
                               {.name = "g", .parameters = {}}});
  return kTools;
}

std::vector<Piece> read(const SyntaxChoice& choice, const ReadOptions& options, std::string_view text,
                        size_t step) {
  const auto reader = make_reader(choice, options);
  std::vector<Piece> all;
  std::vector<Piece> out;
  for (size_t at = 0; at < text.size(); at += step) {
    out.clear();
    reader->push(text.substr(at, step), out);
    for (Piece& piece : out) append_piece(all, std::move(piece));
  }
  out.clear();
  reader->finish(out);
  for (Piece& piece : out) append_piece(all, std::move(piece));
  return all;
}

void check_calls(const std::vector<Piece>& pieces) {
  std::string arguments;
  for (const Piece& piece : pieces) {
    if (std::holds_alternative<ToolStartPiece>(piece)) arguments.clear();
    if (const auto* delta = std::get_if<ToolArgumentsPiece>(&piece)) arguments += delta->json_delta;
    const auto* end = std::get_if<ToolEndPiece>(&piece);
    if (!end || !end->complete) continue;
    const auto parsed = varve::json::parse(arguments);
    varve::check(parsed.ok() && parsed.value().is_table(), "the arguments of a complete call are an object");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  const auto& all_tools = tool_syntaxes();
  const auto& all_reasoning = reasoning_syntaxes();
  const SyntaxChoice choice = {.reasoning = &all_reasoning[data[1] % all_reasoning.size()],
                               .tools = &all_tools[data[0] % all_tools.size()]};
  const ReadOptions options = {.tools = &tools(),
                               .only_offered = (data[1] & 0x80) == 0,
                               .stream_arguments = (data[1] & 0x40) == 0,
                               .in_thought = (data[1] & 0x20) != 0};
  std::string text;
  for (const uint8_t byte : std::vector<uint8_t>(data + 3, data + size)) {
    // Answers are UTF-8.
    if (byte < 0x80)
      text += static_cast<char>(byte);
    else
      text += "\xC3\xA9";
  }
  const auto whole = read(choice, options, text, text.size() + 1);
  varve::check(whole == read(choice, options, text, 1 + data[2] % 8), "the pieces depend on the cuts");
  check_calls(whole);
  return 0;
}
