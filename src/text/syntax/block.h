#pragma once
// A block: the part of an answer in which calls stand, from behind its opening marker. One kind of block for
// each way of writing calls: as JSON, as a name and JSON arguments, as tags, as Python.
#include <cstddef>
#include <string_view>

#include "text/syntax/call_sink.h"

namespace varve::text::syntax {

class Block {
 public:
  virtual ~Block() = default;

  enum class Status {
    going,    // something was read: ask again with what follows
    settled,  // the same, and all that was read belongs to what was told
    more,     // nothing can be said without more text
    done,     // the block is over; what follows is the answer's text
    plain,    // the same, and the block was only a way to write text
    failed,   // from here on this is no block
  };
  struct Step {
    Status status = Status::more;
    size_t used = 0;
  };

  /// Reads a little of `text`; `used` bytes of it are done with and will not be shown again. After telling
  /// the sink something a block returns, with `used` exactly behind what was told. `last`: nothing follows
  /// `text`; `more` then means that the block is not complete.
  virtual Step step(std::string_view text, bool last, CallSink& sink) = 0;
};

}  // namespace varve::text::syntax
