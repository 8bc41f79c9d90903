#include "engine/offered_tools.h"

#include <fmt/format.h>

#include <set>
#include <utility>

namespace varve::engine {

namespace {

using text::syntax::Tool;

Result<Tool> read_tool(const Value& entry, const std::string& where) {
  const auto wrong = [&](const std::string& what) { return RequestError{where + what, "tools"}; };
  const Value* type = entry.find("type");
  if (!type || *type != Value("function"))
    return wrong(": expected {\"type\": \"function\", \"function\": {...}}; other types are not supported");
  const Value* function = entry.find("function");
  if (!function || !function->is_table()) return wrong(".function must be an object");
  const Value* name = function->find("name");
  if (!name || !name->is_text() || name->text().empty() || name->text().size() > kMaxToolName)
    return wrong(fmt::format(".function.name must be a text of 1 to {} bytes", kMaxToolName));
  Tool tool{.name = name->text(), .parameters = {}};
  if (const Value* parameters = function->find("parameters"); parameters && !parameters->is_null()) {
    if (!parameters->is_table()) return wrong(".function.parameters must be a JSON schema: an object");
    tool.parameters = *parameters;
  }
  if (const Value* strict = function->find("strict"); strict && !strict->is_null()) {
    if (!strict->is_boolean()) return wrong(".function.strict must be true or false");
    tool.strict = strict->boolean();
  }
  return tool;
}

}  // namespace

Result<OfferedTools> offered_tools(const Value& tools) {
  OfferedTools offered;
  if (tools.is_null()) return offered;
  if (!tools.is_array()) return RequestError{"tools must be a list", "tools"};
  if (tools.array().size() > kMaxTools)
    return RequestError{fmt::format("at most {} tools; there are {}", kMaxTools, tools.array().size()),
                        "tools"};
  std::vector<Tool> all;
  std::set<std::string> names;
  for (size_t i = 0; i < tools.array().size(); ++i) {
    const std::string where = fmt::format("tools[{}]", i);
    auto tool = read_tool(tools.array()[i], where);
    if (!tool) return tool.error();
    const std::string& name = tool.value().name;
    if (!names.insert(name).second)
      return RequestError{fmt::format("{}: there are two tools called \"{}\"", where, name), "tools"};
    offered.any_strict |= tool.value().strict;
    all.push_back(std::move(tool.value()));
  }
  offered.all = text::syntax::ToolSet(std::move(all));
  return offered;
}

}  // namespace varve::engine
