#include "engine/offered_tools.h"

#include <fmt/format.h>

#include <set>
#include <utility>

namespace varve::engine {

namespace {

struct Offer {
  text::syntax::Tool tool;
  bool strict = false;
};

Result<Offer> read_offer(const Value& entry, const std::string& where) {
  const auto wrong = [&](const std::string& what) { return RequestError{where + what, "tools"}; };
  const Value* type = entry.find("type");
  if (!type || *type != Value("function"))
    return wrong(": expected {\"type\": \"function\", \"function\": {...}}; other types are not supported");
  const Value* function = entry.find("function");
  if (!function || !function->is_table()) return wrong(".function must be an object");
  const Value* name = function->find("name");
  if (!name || !name->is_text() || name->text().empty() || name->text().size() > kMaxToolName)
    return wrong(fmt::format(".function.name must be a text of 1 to {} bytes", kMaxToolName));
  Offer offer{.tool = {.name = name->text(), .parameters = {}}};
  if (const Value* parameters = function->find("parameters"); parameters && !parameters->is_null()) {
    if (!parameters->is_table()) return wrong(".function.parameters must be a JSON schema: an object");
    offer.tool.parameters = *parameters;
  }
  if (const Value* strict = function->find("strict"); strict && !strict->is_null()) {
    if (!strict->is_boolean()) return wrong(".function.strict must be true or false");
    offer.strict = strict->boolean();
  }
  return offer;
}

}  // namespace

Result<OfferedTools> offered_tools(const Value& tools) {
  OfferedTools offered;
  if (tools.is_null()) return offered;
  if (!tools.is_array()) return RequestError{"tools must be a list", "tools"};
  if (tools.array().size() > kMaxTools)
    return RequestError{fmt::format("at most {} tools; there are {}", kMaxTools, tools.array().size()),
                        "tools"};
  std::vector<text::syntax::Tool> all, strict;
  std::set<std::string> names;
  for (size_t i = 0; i < tools.array().size(); ++i) {
    const std::string where = fmt::format("tools[{}]", i);
    auto offer = read_offer(tools.array()[i], where);
    if (!offer) return offer.error();
    text::syntax::Tool& tool = offer.value().tool;
    if (!names.insert(tool.name).second)
      return RequestError{fmt::format("{}: there are two tools called \"{}\"", where, tool.name), "tools"};
    offered.any_strict |= offer.value().strict;
    strict.push_back({.name = tool.name, .parameters = offer.value().strict ? tool.parameters : Value()});
    all.push_back(std::move(tool));
  }
  offered.all = text::syntax::ToolSet(std::move(all));
  offered.strict = text::syntax::ToolSet(std::move(strict));
  return offered;
}

}  // namespace varve::engine
