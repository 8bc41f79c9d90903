#pragma once
// The members of a request body: one table per kind of object says which there are, what each may be, and
// what becomes of it. Everything that a client sends is held to such a table before it is read, so that no
// number is out of range, NaN or of another type, and no member is ignored in silence. The tables are also
// what docs/http-api.md shows.
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/value.h"
#include "engine/request.h"

namespace varve::http {

// Most of what one request may hold. Stop strings: engine/request.h; logit_bias: engine/sampling.h.
inline constexpr size_t kMaxPrompts = 128;
inline constexpr size_t kMaxTools = 256;
inline constexpr size_t kMaxToolName = 128;  // bytes
inline constexpr size_t kMaxMetadata = 16;   // pairs
inline constexpr size_t kMaxMetadataKey = 64;
inline constexpr size_t kMaxMetadataText = 512;
inline constexpr size_t kMaxChoiceTexts = 1024;   // of a choice constraint
inline constexpr size_t kMaxTemplateFields = 64;  // variables for a chat template
inline constexpr size_t kMaxCacheSalt = 256;      // bytes

/// What becomes of a member.
enum class Use : uint8_t {
  honoured,
  accepted,  // it cannot change the answer
  refused    // unless its value is one of Field::harmless
};

/// What kind of value a member may be: a set of bits. null always counts as absent.
enum Kinds : unsigned {
  kAnyKind = 0,
  kBoolean = 1,
  kText = 2,
  kWhole = 4,  // 3 and 3.0
  kNumber = 8,
  kList = 16,
  kTable = 32
};

struct Field {
  std::string_view name;
  Use use = Use::honoured;
  std::string_view says;  // what it does, or why not
  unsigned kinds = kAnyKind;
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool above_low = false;     // low itself is refused
  std::string_view harmless;  // a JSON list
  std::string_view same_as;   // another name of this member; if both are there they must agree
  /// Puts the value, which has passed the checks, where it belongs. Without one the reader of the object
  /// does it.
  std::optional<RequestError> (*apply)(const Value& value, const Field& field,
                                       engine::Request& request) = nullptr;
};

/// `field` with the range that the engine has for the parameter `parameter` (engine/sampling.h).
constexpr Field in_range_of(std::string_view parameter, Field field) {
  for (const engine::SamplingRange& range : engine::kSamplingRanges) {
    if (range.field != parameter) continue;
    field.low = range.low;
    field.high = range.high;
    field.above_low = range.above_low;
  }
  return field;
}

/// The members of one kind of object. Lists follow each other; no name stands in two.
using FieldLists = std::span<const std::span<const Field>>;

const Field* find_field(FieldLists lists, std::string_view name);

/// What is wrong with the object, if anything: the first member that is unknown, refused, of another kind or
/// out of range. `where` is put before names: "tools[0].".
std::optional<RequestError> check_fields(const Table& object, FieldLists lists, std::string_view where = "");

/// Calls apply() of every member that has one. The object has passed check_fields().
std::optional<RequestError> apply_fields(const Table& object, FieldLists lists, engine::Request& request);

// Members of an object that has passed check_fields(); absent and null are nothing.
const Value* given(const Table& object, std::string_view name);
std::optional<bool> flag(const Table& object, std::string_view name);
std::optional<int64_t> whole(const Table& object, std::string_view name);
std::string text_or(const Table& object, std::string_view name, std::string_view otherwise);

/// A number that check_fields() passed as kWhole.
int64_t whole(const Value& value);

/// "must be ...; it is ..." with the member's name in front and as the error's field.
RequestError wrong(std::string_view name, std::string_view must_be, std::string_view is);

/// Of a body that is no JSON object.
RequestError no_object(const Value& body);

/// A text, or a list of texts.
Result<std::vector<std::string>> texts(const Value& value, std::string_view name);

/// A short display of a value for messages: its kind, or the number or short text itself.
std::string shown(const Value& value);

/// The rows of a Markdown table, one a field: name, treatment, what it does.
std::string markdown_rows(FieldLists lists);

}  // namespace varve::http
