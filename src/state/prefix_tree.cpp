#include "state/prefix_tree.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "core/error.h"

namespace varve::state {

namespace {

/// Blocks on each side of a path that are looked at for a snapshot, so that a lookup stays cheap.
constexpr int kNeighbours = 64;

int64_t common_ids(std::span<const int32_t> a, std::span<const int32_t> b) {
  return std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin();
}

std::span<const int32_t> first_block(std::span<const int32_t> ids) {
  return ids.first(std::min(ids.size(), static_cast<size_t>(kBlockTokens)));
}

}  // namespace

bool PrefixTree::Less::operator()(std::span<const int32_t> a, std::span<const int32_t> b) const {
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end());
}

PrefixTree::PrefixTree(PagePool& pages, SlotPool& slots)
    : pool_(pages), slots_(slots), holds_(static_cast<size_t>(pages.pages()), 0) {}

PrefixTree::~PrefixTree() { clear(); }

std::vector<PageId> PrefixTree::Match::pages() const {
  std::vector<const Node*> path;
  for (const Node* at = node; at && at->parent; at = at->parent) path.push_back(at);
  std::vector<PageId> out;
  for (auto at = path.rbegin(); at != path.rend(); ++at)
    out.insert(out.end(), (*at)->pages.begin(), (*at)->pages.end());
  out.resize(static_cast<size_t>(pages_for(tokens)));
  return out;
}

/// The child that has most in common with `ids`, and how much; null when no child has anything.
const PrefixTree::Node* PrefixTree::best_child(const Node& node, std::span<const int32_t> ids,
                                               int64_t& common) {
  const Node* best = nullptr;
  common = 0;
  const auto consider = [&](Children::const_iterator child) {
    const int64_t here = common_ids(child->first, ids);
    if (here <= common) return;
    common = here;
    best = child->second.get();
  };
  const auto next = node.children.lower_bound(ids);
  if (next != node.children.end()) consider(next);
  if (next != node.children.begin()) consider(std::prev(next));
  return best;
}

/// `known` tokens are known, and end in `node`: takes what is usable of them.
void PrefixTree::offer(Match& match, const Node& node, int64_t known) const {
  if (slots_.slot_bytes() == 0) {
    match.tokens = known;
    match.node = &node;
    return;
  }
  for (const auto snapshot : node.snapshots) {
    if (snapshot->tokens > known || snapshot->tokens <= match.tokens) continue;
    match.tokens = snapshot->tokens;
    match.snapshot = &snapshot->slot;
    match.node = &node;
  }
}

PrefixTree::Match PrefixTree::find(std::string_view root, std::span<const int32_t> ids, int64_t most) const {
  Match match;
  const auto found = roots_.find(root);
  if (found == roots_.end()) return match;
  ids = ids.first(std::min(ids.size(), static_cast<size_t>(std::max<int64_t>(most, 0))));
  struct Level {
    const Node* parent;
    std::span<const int32_t> wanted;
    int64_t known;  // tokens, with those of this level
  };
  std::vector<Level> levels;
  int64_t known = 0;
  for (const Node* node = found->second.get(); !ids.empty();) {
    const auto wanted = first_block(ids);
    int64_t common = 0;
    const Node* child = best_child(*node, wanted, common);
    if (!child) break;
    known += common;
    offer(match, *child, known);
    levels.push_back({node, wanted, known});
    if (common < kBlockTokens) break;
    node = child;
    ids = ids.subspan(wanted.size());
  }
  // Only where a snapshot is needed: one may lie beside the path, in a block that left it later.
  for (; !levels.empty() && levels.back().known > match.tokens; levels.pop_back())
    look_around(match, *levels.back().parent, levels.back().wanted);
  return match;
}

/// Offers the children of `parent` that have the most in common with `ids`, while that can be better.
void PrefixTree::look_around(Match& match, const Node& parent, std::span<const int32_t> ids) const {
  const int64_t begin = parent.parent ? parent.end() : 0;
  const auto better = [&](Children::const_iterator child) {
    const int64_t known = begin + common_ids(child->first, ids);
    if (known <= match.tokens) return false;
    offer(match, *child->second, known);
    return true;
  };
  const auto next = parent.children.lower_bound(ids);
  int looked = 0;
  for (auto child = next; child != parent.children.end() && looked < kNeighbours && better(child); ++child)
    ++looked;
  looked = 0;
  for (auto child = next; child != parent.children.begin() && looked < kNeighbours; ++looked)
    if (!better(--child)) break;
}

void PrefixTree::touch(const Match& match) {
  if (!match.node) return;
  Node* node = match.node->place->second.get();
  touch_path(node);
  for (const auto snapshot : node->snapshots)
    if (&snapshot->slot == match.snapshot) snapshots_.splice(snapshots_.begin(), snapshots_, snapshot);
}

/// From the end of the path to its beginning, so that a block stays before those that follow it.
void PrefixTree::touch_path(Node* node) {
  for (; node->parent; node = node->parent) ages_.splice(ages_.begin(), ages_, node->age);
}

PrefixTree::Node* PrefixTree::root_of(std::string_view name) {
  auto found = roots_.find(name);
  if (found == roots_.end()) {
    found = roots_.emplace(std::string(name), std::make_unique<Node>()).first;
    found->second->root = found->first;
  }
  return found->second.get();
}

void PrefixTree::insert(std::string_view root, std::span<const int32_t> ids, std::span<const PageId> pages,
                        Slot snapshot) {
  const auto count = static_cast<int64_t>(ids.size());
  check(static_cast<int64_t>(pages.size()) == pages_for(count), "a prefix and its pages do not go together");
  check((snapshot.data() != nullptr) == (slots_.slot_bytes() > 0),
        "a prefix and its slot do not go together");
  if (ids.empty()) return;
  Node* node = root_of(root);
  while (!ids.empty()) {
    const auto block = first_block(ids);
    const auto held = pages.first(static_cast<size_t>(pages_for(static_cast<int64_t>(block.size()))));
    node = extend(*node, block, held);
    ids = ids.subspan(block.size());
    pages = pages.subspan(held.size());
  }
  touch_path(node);
  if (snapshot.data()) leave(*node, count, std::move(snapshot));
}

/// The child that begins with `ids`; made, or made of a shorter one, where there is none.
PrefixTree::Node* PrefixTree::extend(Node& parent, std::span<const int32_t> ids,
                                     std::span<const PageId> pages) {
  const auto next = parent.children.lower_bound(ids);
  const auto begins_with = [](const Ids& all, std::span<const int32_t> first) {
    return common_ids(first, all) == static_cast<int64_t>(first.size());
  };
  if (next != parent.children.end() && begins_with(next->first, ids)) return next->second.get();
  auto node = std::make_unique<Node>();
  node->parent = &parent;
  node->begin = parent.parent ? parent.end() : 0;
  node->pages.assign(pages.begin(), pages.end());
  for (const PageId page : pages) hold(page);
  if (next != parent.children.begin()) {
    const auto before = std::prev(next);
    if (Node* shorter = before->second.get(); common_ids(before->first, ids) == std::ssize(before->first)) {
      node->snapshots = std::exchange(shorter->snapshots, {});
      for (const auto snapshot : node->snapshots) snapshot->node = node.get();
      for (const PageId page : shorter->pages) drop(page);
      ages_.erase(shorter->age);
      parent.children.erase(before);
    }
  }
  Node* made = node.get();
  made->place = parent.children.emplace(Ids(ids.begin(), ids.end()), std::move(node)).first;
  made->age = ages_.insert(ages_.begin(), made);  // touch_path puts it where it belongs
  return made;
}

void PrefixTree::leave(Node& node, int64_t tokens, Slot slot) {
  for (const auto known : node.snapshots) {
    if (known->tokens != tokens) continue;
    snapshots_.splice(snapshots_.begin(), snapshots_, known);
    return;
  }
  node.snapshots.push_back(
      snapshots_.insert(snapshots_.begin(), {.node = &node, .tokens = tokens, .slot = std::move(slot)}));
}

void PrefixTree::hold(PageId page) {
  pool_.share(page);
  if (holds_[static_cast<size_t>(page)]++ == 0) ++pages_held_;
}

void PrefixTree::drop(PageId page) {
  pool_.drop(page);
  if (--holds_[static_cast<size_t>(page)] == 0) --pages_held_;
}

void PrefixTree::remove(Node* node) {
  for (const PageId page : node->pages) drop(page);
  for (const auto snapshot : node->snapshots) snapshots_.erase(snapshot);
  ages_.erase(node->age);
  node->parent->children.erase(node->place);
}

/// Nothing follows it, and it leads to no snapshot where one is needed.
bool PrefixTree::useless(const Node& node) const {
  if (!node.children.empty()) return false;
  return !node.parent || (slots_.slot_bytes() > 0 && node.snapshots.empty());
}

/// Removes `node` and those before it as far as they are of no use.
void PrefixTree::prune(Node* node) {
  while (node->parent && useless(*node)) {
    Node* parent = node->parent;
    remove(node);
    node = parent;
  }
  if (!node->parent && useless(*node)) roots_.erase(roots_.find(node->root));
}

bool PrefixTree::evict_block() {
  if (ages_.empty()) return false;
  Node* oldest = ages_.back();
  check(oldest->children.empty(), "a block is older than one that follows it");
  Node* parent = oldest->parent;
  remove(oldest);
  prune(parent);
  ++evictions_;
  return true;
}

bool PrefixTree::evict_snapshot() {
  if (snapshots_.empty()) return false;
  const auto oldest = std::prev(snapshots_.end());
  Node* node = oldest->node;
  std::erase(node->snapshots, oldest);
  snapshots_.erase(oldest);
  prune(node);
  ++evictions_;
  return true;
}

void PrefixTree::clear() {
  const int64_t before = evictions_;
  while (evict_block()) {
  }
  evictions_ = before;
}

int64_t PrefixTree::reclaimable() const {
  int64_t count = 0;
  for (size_t page = 0; page < holds_.size(); ++page)
    count += holds_[page] > 0 && holds_[page] == pool_.references(static_cast<PageId>(page));
  return count;
}

}  // namespace varve::state
