#pragma once
// The directory that a conversion makes: written as a hidden sibling (".NAME.partial"), locked while one
// program writes it, and renamed when it is whole. A journal in it says which jobs of which plan are done, so
// that what was stopped, killed or ran out of disk goes on where it was.
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/value.h"

namespace varve::convert {

/// One line of the journal: a job's tensors are in their shards.
struct JournalEntry {
  size_t job = 0;
  std::vector<std::string> digests;
  std::optional<double> relative_error = {};  // where it was measured
};

class Destination {
 public:
  /// Checks only: a LoadError when `path` is there and is not to be replaced (`force`), when it is no model
  /// directory that may be replaced, or when `source` lies in it.
  static void check(const std::filesystem::path& path, const std::filesystem::path& source, bool force);

  /// The hidden sibling of `path`; need not be there.
  static std::filesystem::path work_of(const std::filesystem::path& path);

  /// Makes or takes up the sibling and locks it. A LoadError when another program writes there, or when what
  /// is there is no unfinished conversion. `path` has passed check().
  explicit Destination(const std::filesystem::path& path);
  ~Destination();
  Destination(const Destination&) = delete;
  Destination& operator=(const Destination&) = delete;

  const std::filesystem::path& work() const { return work_; }

  /// Of whom the journal is that is there; empty when there is none.
  Table identity() const;
  /// The journal's jobs when it is one of `identity`; otherwise the directory is emptied and the journal
  /// begun. `why` says what differs, "" when there was nothing.
  std::vector<JournalEntry> begin(const Table& identity, std::string& why);
  /// From any one thread.
  void note(const JournalEntry& entry);

  /// A file beside the shards or in a folder there, all of it or none.
  void add_file(const std::string& name, std::string_view text) const;
  /// Ends the journal and gives the directory its name; what had it goes, when `force` is set.
  void publish(bool force);

 private:
  void lock();
  void clear(const std::function<bool(const std::filesystem::path& name)>& stays) const;
  bool rename_to_free_name();
  void change_places();

  std::filesystem::path path_, work_;
  int directory_ = -1;  // holds the lock
  int journal_ = -1;
};

}  // namespace varve::convert
