#include "text/syntax/lark.h"

#include "core/json.h"
#include "text/syntax/json_text.h"
#include "text/syntax/match.h"

namespace varve::text::syntax {

namespace {

/// As the notation wants it between slashes.
std::string regex_literal(std::string_view regex) {
  std::string out = "/";
  for (size_t i = 0; i < regex.size(); ++i) {
    if (regex[i] == '\\' && i + 1 < regex.size()) {
      out += regex[i++];
    } else if (regex[i] == '/') {
      out += '\\';
    }
    out += regex[i];
  }
  return out + '/';
}

}  // namespace

Lark::Lark(std::span<const AddedToken> vocabulary) {
  for (const AddedToken& token : vocabulary) {
    if (token.control && !token.content.empty()) control_.push_back(&token);
  }
}

const AddedToken* Lark::control_at(std::string_view text) const {
  const AddedToken* longest = nullptr;
  for (const AddedToken* token : control_) {
    if (text.substr(0, token->content.size()) != token->content) continue;
    if (!longest || token->content.size() > longest->content.size()) longest = token;
  }
  return longest;
}

std::string Lark::literal(std::string_view text, bool spaces) const {
  std::string out;
  std::string plain;
  const auto flush = [&] {
    const size_t lead = skip_space(plain);
    for (const std::string& piece : {plain.substr(0, lead), plain.substr(lead)}) {
      if (!piece.empty()) out += (out.empty() ? "" : " ") + json_string(piece);
    }
    plain.clear();
  };
  while (!text.empty()) {
    const AddedToken* token = control_at(text);
    if (!token) {
      plain += text.front();
      text.remove_prefix(1);
      continue;
    }
    flush();
    out += (out.empty() ? "<[" : " <[") + std::to_string(token->id) + (spaces ? "]> \" \"?" : "]>");
    text.remove_prefix(token->content.size());
  }
  flush();
  return out;
}

std::string Lark::text_until(std::string_view end, const std::string& body) {
  for (size_t at = 0; at < end.size(); ++at) {
    // A control token ends any text by itself; what stands before it could be taken for the text.
    if (control_at(end.substr(at))) return regex_literal(body) + " " + literal(end.substr(at));
  }
  const std::string name = fresh("text");
  rules_ += name + "[suffix=" + json_string(end) + "]: " + regex_literal(body) + "\n";
  return name;
}

std::string Lark::json(const Value& schema, const Value& root) {
  Value whole = schema;
  if (&schema != &root && whole.is_table()) {
    for (const std::string_view key : {"$defs", "definitions"}) {
      const Value* shared = root.find(key);
      if (shared && !whole.find(key)) whole.table().set(key, *shared);
    }
  }
  return rule("json", "%json " + json::dump(whole));
}

std::string Lark::rule(const std::string& stem, const std::string& body) {
  const std::string name = fresh(stem);
  rules_ += name + ": " + (body.empty() ? "\"\"" : body) + "\n";
  return name;
}

void Lark::named_rule(const std::string& name, const std::string& body) {
  if (named_.insert(name).second) rules_ += name + ": " + body + "\n";
}

std::string regex_of(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view("\\.+*?()|[]{}^$/&~#-").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

std::string sequence(std::initializer_list<std::string_view> parts) {
  std::string out;
  for (const std::string_view part : parts) {
    if (!part.empty()) out.append(out.empty() ? "" : " ").append(part);
  }
  return out;
}

std::string alternatives(const std::vector<std::string>& expressions) {
  std::string out = "(";
  for (const std::string& expression : expressions) out += (out.size() > 1 ? " | " : "") + expression;
  return out + ")";
}

}  // namespace varve::text::syntax
