#pragma once
// What finished and running sequences leave behind for later ones: a tree of token blocks, each with the
// pages that hold its state. Bytes, pages and token ids: no model.
//
// A path from a root spells a beginning of some sequence, in blocks of kBlockTokens tokens; the last block of
// a path may be shorter (a tail). A root is everything else that decides the state: who may share it, how
// positions are counted, what stands behind ids that are no text. Blocks are found by comparing all of their
// ids, so that what is found is right or nothing.
//
// A block holds one reference on each of its pages: a sequence that took them over keeps them when the block
// goes. Full pages are never written; a tail's last page may be open, and who shares it copies it before
// writing (Pages::extend). Where there is recurrent state too (a SlotPool with bytes), a beginning is usable
// only up to a position where a snapshot of the slot was left.
//
// What has not been used for longest goes first: blocks from the ends of their paths, snapshots by
// themselves. One thread.
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "state/page_pool.h"
#include "state/slot_pool.h"

namespace varve::state {

inline constexpr int64_t kBlockTokens = 64;
static_assert(kBlockTokens % kPageTokens == 0);

class PrefixTree {
  struct Node;

 public:
  /// Both pools outlive it.
  PrefixTree(PagePool& pages, SlotPool& slots);
  ~PrefixTree();
  PrefixTree(const PrefixTree&) = delete;
  PrefixTree& operator=(const PrefixTree&) = delete;

  /// A beginning that is known. Good until the tree changes.
  struct Match {
    int64_t tokens = 0;              // from the first on
    const Slot* snapshot = nullptr;  // the recurrent state after them, where there is such
    /// The pages that hold them; the last one may hold more.
    std::vector<PageId> pages() const;

   private:
    friend class PrefixTree;
    const Node* node = nullptr;
  };
  /// The longest usable beginning of `ids` of at most `most` tokens.
  Match find(std::string_view root, std::span<const int32_t> ids, int64_t most) const;
  /// It has been used now.
  void touch(const Match& match);

  /// Remembers `ids` and the pages that hold exactly them (shared, not taken away; what is known already
  /// stays as it is). Nobody may write into these pages any more without a copy of his own.
  /// `snapshot`: the recurrent state after the last of them; required where slots have bytes.
  void insert(std::string_view root, std::span<const int32_t> ids, std::span<const PageId> pages,
              Slot snapshot = {});

  /// Drops the block that has not been used for longest; false when there is none. Its pages are free if
  /// nobody else holds them.
  bool evict_block();
  /// Drops the snapshot that has not been used for longest, with the blocks that are of no use without it.
  bool evict_snapshot();
  void clear();

  /// Pages that would be free if everything was dropped.
  int64_t reclaimable() const;
  int64_t blocks() const { return static_cast<int64_t>(ages_.size()); }
  int64_t pages() const { return pages_held_; }
  int64_t snapshots() const { return static_cast<int64_t>(snapshots_.size()); }
  /// Blocks and snapshots that were dropped to make room, ever.
  int64_t evictions() const { return evictions_; }

 private:
  using Ids = std::vector<int32_t>;
  struct Less {
    using is_transparent = void;
    bool operator()(std::span<const int32_t> a, std::span<const int32_t> b) const;
  };
  /// In order of their ids, so that what has most in common with a list of ids stands next to it. None is
  /// the beginning of another.
  using Children = std::map<Ids, std::unique_ptr<Node>, Less>;
  struct Snapshot {
    Node* node;
    int64_t tokens;  // of the sequence that stand before it
    Slot slot;
  };
  using Snapshots = std::list<Snapshot>;
  struct Node {
    Node* parent = nullptr;  // null: a root
    int64_t begin = 0;       // the position of its first token
    Children::iterator place;
    std::vector<PageId> pages;
    Children children;
    std::vector<Snapshots::iterator> snapshots;
    std::list<Node*>::iterator age;
    std::string_view root;  // of a root: its name

    const Ids& ids() const { return place->first; }
    int64_t end() const { return begin + static_cast<int64_t>(ids().size()); }
  };

  static const Node* best_child(const Node& node, std::span<const int32_t> ids, int64_t& common);
  void offer(Match& match, const Node& node, int64_t known) const;
  void look_around(Match& match, const Node& parent, std::span<const int32_t> ids) const;
  Node* root_of(std::string_view name);
  Node* extend(Node& parent, std::span<const int32_t> ids, std::span<const PageId> pages);
  void touch_path(Node* node);
  void leave(Node& node, int64_t tokens, Slot slot);
  void hold(PageId page);
  void drop(PageId page);
  void remove(Node* node);
  bool useless(const Node& node) const;
  void prune(Node* node);

  PagePool& pool_;
  SlotPool& slots_;
  std::map<std::string, std::unique_ptr<Node>, std::less<>> roots_;
  std::list<Node*> ages_;       // latest used first; a block always stands before those that follow it
  Snapshots snapshots_;         // latest used first
  std::vector<int32_t> holds_;  // references of this tree, by page
  int64_t pages_held_ = 0;
  int64_t evictions_ = 0;
};

}  // namespace varve::state
