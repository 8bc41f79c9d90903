#include "checkpoint/gguf_cursor.h"

#include <fmt/format.h>

#include "checkpoint/refuse.h"

namespace varve::checkpoint {

const std::byte* GgufCursor::take(uint64_t count, const char* what) {
  if (count > left())
    refuse(where_, fmt::format("the file ends within {}", what),
           {.expected = fmt::format("{} more bytes from byte {} on", count, position_),
            .found = fmt::format("{}", left()),
            .advice = "The file is truncated or damaged; download it again."});
  const std::byte* at = file_.data() + position_;
  position_ += count;
  return at;
}

std::string_view GgufCursor::text(const char* what, size_t limit) {
  const auto length = number<uint64_t>(what);
  if (length > limit)
    refuse(where_, fmt::format("{} is too long", what),
           {.expected = fmt::format("at most {} bytes", limit), .found = fmt::format("{}", length)});
  const std::string_view text(reinterpret_cast<const char*>(take(length, what)), length);
  if (!is_utf8(text)) refuse(where_, fmt::format("{} is not UTF-8", what), {.found = in_quotes(text)});
  return text;
}

}  // namespace varve::checkpoint
