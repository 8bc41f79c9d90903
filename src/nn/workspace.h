#pragma once
// Scratch memory of one forward pass: a stack of float32 matrices, given back in one go at the end of a
// scope. Grows during the first steps, then nothing is allocated any more.
#include <cstdint>
#include <vector>

#include "core/buffer.h"

namespace varve::nn {

class Workspace {
 public:
  /// Uninitialised memory for `count` elements, 64-byte aligned, until the enclosing Frame ends.
  template <class T>
  T* take(int64_t count) {
    return reinterpret_cast<T*>(take_bytes(count * static_cast<int64_t>(sizeof(T))));
  }
  float* floats(int64_t rows, int64_t cols) { return take<float>(rows * cols); }

  /// Gives back everything taken since it was made.
  class Frame {
   public:
    explicit Frame(Workspace& work) : work_(work), chunk_(work.chunk_), used_(work.used_) {}
    ~Frame() {
      work_.chunk_ = chunk_;
      work_.used_ = used_;
    }
    Frame(const Frame&) = delete;
    Frame& operator=(const Frame&) = delete;

   private:
    Workspace& work_;
    size_t chunk_;
    int64_t used_;
  };

 private:
  std::byte* take_bytes(int64_t bytes);
  std::vector<Buffer> chunks_;
  size_t chunk_ = 0;  // the chunk in use
  int64_t used_ = 0;  // bytes used of it
};

}  // namespace varve::nn
