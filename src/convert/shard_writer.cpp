#include "convert/shard_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <future>
#include <utility>

#include "convert/disk.h"
#include "core/error.h"

namespace varve::convert {

namespace {

constexpr size_t kBlocks = 3;  // one is filled while one is written and one waits
constexpr ptrdiff_t kOpenFiles = 32;
constexpr size_t kReadBytes = size_t{4} << 20;  // at a time, to hash what is there

struct File {
  int fd;
  ~File() {
    if (fd >= 0) ::close(fd);
  }
};

}  // namespace

std::span<std::byte> Block::resize(size_t bytes) {
  if (bytes > capacity_) {
    data_.reset(new std::byte[bytes]);  // not make_unique: that would set every byte
    capacity_ = bytes;
  }
  return {data_.get(), bytes};
}

ShardWriter::ShardWriter(const Plan& plan, const std::filesystem::path& directory, Done done)
    : plan_(plan), directory_(directory), done_(std::move(done)), files_(plan.shards.size(), -1) {
  for (size_t i = 0; i < kBlocks; ++i) free_.push_back(std::make_unique<Block>());
  for (size_t s = 0; s < files_.size(); ++s) {
    const Shard& shard = plan.shards[s];
    const File file{::open(path_of(s).c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666)};
    if (file.fd < 0) fail_write("cannot be made", path_of(s));
    write_at(file.fd, std::as_bytes(std::span(shard.header)), 0, path_of(s));
    if (::ftruncate(file.fd, static_cast<off_t>(shard.bytes)) != 0)
      fail_write("cannot be made as long as it will be", path_of(s));
  }
  thread_ = std::thread([this] { work(); });
}

ShardWriter::~ShardWriter() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
  for (const int file : files_)
    if (file >= 0) ::close(file);
}

void ShardWriter::rethrow() {
  if (error_) std::rethrow_exception(error_);
}

std::unique_ptr<Block> ShardWriter::take() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !free_.empty() || error_; });
  rethrow();
  auto block = std::move(free_.back());
  free_.pop_back();
  return block;
}

void ShardWriter::put(Piece piece) {
  {
    const std::lock_guard lock(mutex_);
    rethrow();
    queue_.push_back(std::move(piece));
    ++busy_;
  }
  changed_.notify_all();
}

void ShardWriter::finish(bool sync) {
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return busy_ == 0 || error_; });
    rethrow();
  }
  if (!sync) return;
  for (size_t s = 0; s < files_.size(); ++s) sync_path(path_of(s));
}

/// Shards are open from their first use until others need the place.
int ShardWriter::descriptor(size_t shard) const {
  if (files_[shard] >= 0) return files_[shard];
  if (std::count_if(files_.begin(), files_.end(), [](int fd) { return fd >= 0; }) >= kOpenFiles)
    for (int& fd : files_)
      if (fd >= 0) ::close(std::exchange(fd, -1));
  files_[shard] = ::open(path_of(shard).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (files_[shard] < 0) fail_write("cannot be opened", path_of(shard));
  return files_[shard];
}

void ShardWriter::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return stop_ || !queue_.empty(); });
    if (stop_) return;
    Piece piece = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    std::exception_ptr error;
    try {
      write(piece);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    free_.push_back(std::move(piece.block));
    --busy_;
    if (error) error_ = error;
    changed_.notify_all();
    if (error_) return;
  }
}

void ShardWriter::write(Piece& piece) {
  const Job& job = plan_.jobs[piece.job];
  // Beside the writes: the two take about as long, and behind one another they would be what everyone waits
  // for. The future waits for its thread, also when a write throws.
  const std::future<void> hashed = std::async(std::launch::async, [&] {
    for (size_t i = 0; i < job.count; ++i) {
      if (!hashes_[i]) hashes_[i] = std::make_unique<checkpoint::Sha256>();
      hashes_[i]->add(piece.bytes[i]);
    }
  });
  for (size_t i = 0; i < job.count; ++i) {
    const OutTensor& tensor = plan_.tensors[job.first + i];
    const std::span<const std::byte> bytes = piece.bytes[i];
    check(written_[i] + bytes.size() <= tensor.bytes, "more bytes than the tensor has");
    const uint64_t offset = tensor.offset + written_[i];
    const int file = descriptor(tensor.shard);
    write_at(file, bytes, offset, path_of(tensor.shard));
    // The disk begins now, not when memory is full of pages that wait for it.
    ::sync_file_range(file, static_cast<off_t>(offset), static_cast<off_t>(bytes.size()),
                      SYNC_FILE_RANGE_WRITE);
    written_[i] += bytes.size();
  }
  hashed.wait();
  if (!piece.last) return;
  JournalEntry done{.job = piece.job, .digests = {}, .relative_error = piece.relative_error};
  for (size_t i = 0; i < job.count; ++i) {
    check(written_[i] == plan_.tensors[job.first + i].bytes, "fewer bytes than the tensor has");
    done.digests.push_back(hashes_[i]->finish());
    hashes_[i].reset();
    written_[i] = 0;
  }
  done_(done);
}

std::string ShardWriter::stored_digest(size_t index) const {
  const OutTensor& tensor = plan_.tensors[index];
  checkpoint::Sha256 hash;
  std::vector<std::byte> bytes(static_cast<size_t>(std::min<uint64_t>(tensor.bytes, kReadBytes)));
  for (uint64_t done = 0; done < tensor.bytes;) {
    const size_t wanted = static_cast<size_t>(std::min<uint64_t>(bytes.size(), tensor.bytes - done));
    const ssize_t got =
        ::pread(descriptor(tensor.shard), bytes.data(), wanted, static_cast<off_t>(tensor.offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return {};
    hash.add(std::span(bytes).first(static_cast<size_t>(got)));
    done += static_cast<uint64_t>(got);
  }
  return hash.finish();
}

}  // namespace varve::convert
