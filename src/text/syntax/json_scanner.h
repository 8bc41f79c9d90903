#pragma once
// Reads one JSON value from text that arrives in pieces and writes it as valid JSON, piece by piece.
//
// Valid JSON comes out byte for byte, so that a client that sends arguments back sends what the model wrote.
// What models get wrong and what has only one meaning is put right on the way: line ends and other control
// characters inside strings, escapes that JSON does not know (\d stays a backslash and a d), single quotes,
// True, False, None, tuples, keys without quotes, a comma before the closing bracket. Halves of surrogate
// pairs become U+FFFD, NaN becomes null, a number beyond what a double holds the largest that it does hold. A
// key that stands twice in an object, and more than 48 levels, are not accepted.
//
// The text must be UTF-8; a piece may end inside a character. What comes out does not depend on the pieces.
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace varve::text::syntax {

class JsonScanner {
 public:
  /// `quote`: a further delimiter of strings, in which nothing is escaped.
  explicit JsonScanner(std::string_view quote = {}) : quote_(quote) {}

  enum class Status { more, done, failed };
  struct Step {
    Status status = Status::more;
    size_t used = 0;  // bytes that belong to the value and have been written
  };
  /// Takes what is certain. The rest (never longer than a number, a word or an escape, with the white space
  /// after a comma) must be given again with more text. `last`: nothing follows `text`.
  Step scan(std::string_view text, bool last, std::string& out);

 private:
  enum class Want { value, value_or_end, key, key_or_end, colon, comma, nothing };
  enum class Got { taken, more, failed };
  struct Level {
    char close;
    std::unordered_set<std::string> keys;
  };
  /// Text not yet read, and where to write.
  struct Cursor {
    std::string_view text;
    bool last;
    std::string& out;
  };

  Got token(Cursor& cursor);
  Got value(Cursor& cursor);
  Got key(Cursor& cursor);
  Got comma(Cursor& cursor);
  Got open_string(Cursor& cursor);
  Got bare_key(Cursor& cursor);
  Got number(Cursor& cursor);
  Got word(Cursor& cursor);
  Got open(Cursor& cursor, char close);
  Got close(Cursor& cursor);
  Got string_part(Cursor& cursor);
  Got raw_string_part(Cursor& cursor);
  Got escape(Cursor& cursor);
  Got unicode_escape(Cursor& cursor);
  Got close_string(Cursor& cursor, size_t length);
  /// Writes a part of a string's content.
  void write(Cursor& cursor, size_t used, std::string_view json);
  Want after_value() const { return levels_.empty() ? Want::nothing : Want::comma; }

  std::string quote_;
  Want want_ = Want::value;
  std::vector<Level> levels_;
  std::string delimiter_;  // of the string that is open; "" when none is
  bool in_key_ = false;
  std::string key_;  // the open key, as JSON
};

/// All of `text` as one JSON value, put right; "" when it is none. White space around it does not matter.
std::string as_json(std::string_view text);

}  // namespace varve::text::syntax
