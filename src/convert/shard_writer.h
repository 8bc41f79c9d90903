#pragma once
// Puts the tensors of a plan into their shards while the next ones are made: one thread takes blocks in the
// order in which they are given, hashes them and writes them to their places.
#include <array>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "checkpoint/sha256.h"
#include "convert/destination.h"
#include "convert/plan.h"

namespace varve::convert {

/// Memory for one piece of a job, used again and again.
class Block {
 public:
  /// `bytes` of memory whose contents nobody has set.
  std::span<std::byte> resize(size_t bytes);

 private:
  std::unique_ptr<std::byte[]> data_;
  size_t capacity_ = 0;
};

/// A piece of a job: the next bytes of each of its tensors, in order, within one block.
struct Piece {
  size_t job = 0;
  std::unique_ptr<Block> block;
  std::array<std::span<const std::byte>, 3> bytes;  // of the job's tensors
  bool last = false;                                // the job is complete with it
  std::optional<double> relative_error = {};        // of the whole job, beside `last`
};

class ShardWriter {
 public:
  /// Called on the writer's thread when a job's tensors are complete.
  using Done = std::function<void(const JournalEntry&)>;

  /// Makes the shards with their headers, or takes those that are there.
  ShardWriter(const Plan& plan, const std::filesystem::path& directory, Done done);
  /// What was given and is not written yet is left out.
  ~ShardWriter();
  ShardWriter(const ShardWriter&) = delete;
  ShardWriter& operator=(const ShardWriter&) = delete;

  /// A block to fill; waits while all of them are on their way. A LoadError when a write has failed.
  std::unique_ptr<Block> take();
  void put(Piece piece);
  /// Waits until everything given is written; then to the disk itself when `sync` is set.
  void finish(bool sync);

  /// The SHA-256 of what the shard holds of a tensor.
  std::string stored_digest(size_t tensor) const;

 private:
  void work();
  void write(Piece& piece);
  void rethrow();
  int descriptor(size_t shard) const;
  std::filesystem::path path_of(size_t shard) const { return directory_ / plan_.shards[shard].file; }

  const Plan& plan_;
  std::filesystem::path directory_;
  Done done_;
  mutable std::vector<int> files_;  // -1: not open

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Piece> queue_;
  std::vector<std::unique_ptr<Block>> free_;
  size_t busy_ = 0;  // pieces given and not written
  bool stop_ = false;
  std::exception_ptr error_;

  // Of the job that is being written; the writer's thread alone.
  std::array<std::unique_ptr<checkpoint::Sha256>, 3> hashes_;
  std::array<uint64_t, 3> written_{};
  std::thread thread_;
};

}  // namespace varve::convert
