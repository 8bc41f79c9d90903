#include "convert/model_card.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <vector>

namespace varve::convert {

namespace {

/// One member of a front matter with the lines that belong to it.
struct Member {
  std::string key;
  std::vector<std::string> lines;
};

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string line(text.substr(0, end));
    if (line.ends_with('\r')) line.pop_back();
    lines.push_back(std::move(line));
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
  }
  return lines;
}

/// The members between the first two lines of three dashes; none where the card does not begin so.
std::vector<Member> front_matter(std::string_view card) {
  std::vector<Member> members;
  const std::vector<std::string> lines = lines_of(card);
  if (lines.empty() || lines[0] != "---") return {};
  for (size_t i = 1; i < lines.size(); ++i) {
    const std::string& line = lines[i];
    if (line == "---") return members;
    const bool inner = line.empty() || line[0] == ' ' || line[0] == '-' || line[0] == '#';
    const size_t colon = line.find(':');
    if (!inner && colon == std::string::npos) return {};  // no YAML that this reads
    if (!inner) members.push_back({.key = line.substr(0, colon), .lines = {}});
    if (!members.empty()) members.back().lines.push_back(line);
  }
  return {};  // it has no end
}

/// The items of a list, written in lines or in brackets.
std::vector<std::string> items_of(const Member& member) {
  std::vector<std::string> items;
  const auto add = [&](std::string text) {
    const auto blank = [](char c) { return c == ' ' || c == '"' || c == '\'' || c == '[' || c == ']'; };
    while (!text.empty() && blank(text.front())) text.erase(text.begin());
    while (!text.empty() && blank(text.back())) text.pop_back();
    if (!text.empty()) items.push_back(text);
  };
  std::string first = member.lines[0].substr(member.key.size() + 1) + ",";
  for (size_t begin = 0, end; (end = first.find(',', begin)) != std::string::npos; begin = end + 1)
    add(first.substr(begin, end - begin));
  for (size_t i = 1; i < member.lines.size(); ++i) {
    const size_t dash = member.lines[i].find('-');
    if (dash != std::string::npos) add(member.lines[i].substr(dash + 1));
  }
  return items;
}

}  // namespace

std::string model_card(const CardFacts& facts) {
  std::string out = "---\n", pipeline = "pipeline_tag: text-generation\n";
  std::vector<std::string> tags;
  bool licensed = false;
  for (const Member& member : front_matter(facts.source_card)) {
    if (member.key == "library_name") continue;
    if (member.key == "tags") {
      tags = items_of(member);
      continue;
    }
    licensed = licensed || member.key == "license";
    if (member.key == "pipeline_tag") pipeline.clear();
    for (const std::string& line : member.lines) out += line + "\n";
  }
  if (!licensed && !facts.licence.empty()) {
    std::string word = facts.licence;  // hubs know licences by lower-case names
    std::transform(word.begin(), word.end(), word.begin(), [](unsigned char c) { return std::tolower(c); });
    out += fmt::format("license: {}\n", word);
  }
  if (std::find(tags.begin(), tags.end(), "mlx") == tags.end()) tags.emplace_back("mlx");
  out += "library_name: mlx\n" + pipeline + "tags:\n";
  for (const std::string& tag : tags) out += fmt::format("- {}\n", tag);
  out += fmt::format(
      "---\n\nMade from {} by `varve convert` {}: {}, {:.3f} bits per weight, in MLX's format. What each "
      "tensor "
      "was made with\nstands in config.json, its digest in varve.json.\n",
      facts.source, facts.version, facts.how, facts.bits_per_weight);
  return out;
}

}  // namespace varve::convert
