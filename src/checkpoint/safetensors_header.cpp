#include "checkpoint/safetensors_header.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "checkpoint/limits.h"
#include "checkpoint/refuse.h"
#include "core/checked.h"

namespace varve::checkpoint {

namespace {

/// Takes the parser's events for exactly the one structure a header may have, so that nothing else is ever
/// stored: a header of 100 MB cannot be blown up into gigabytes of document.
class HeaderEvents {
 public:
  explicit HeaderEvents(SafetensorsHeader& out, const std::string& where) : out_(out), where_(where) {}

  bool start_object(size_t /*size*/) {
    if (state_ == State::start) return enter(State::names);
    if (state_ == State::tensor_value) {
      seen_ = 0;
      out_.tensors.emplace_back().name = name_;
      return enter(State::members);
    }
    if (state_ == State::metadata_value) return enter(State::metadata);
    misplaced("an object");
  }
  bool key(std::string& text) {
    switch (state_) {
      case State::names:
        return tensor_key(text);
      case State::members:
        return member_key(text);
      default:
        if (out_.metadata.size() >= limits::kMetadataKeys)
          refuse(where_, fmt::format("__metadata__ has more than {} members", limits::kMetadataKeys));
        out_.metadata.emplace_back(text, std::string());
        return enter(State::metadata_text);
    }
  }
  bool end_object() {
    if (state_ == State::metadata) return enter(State::names);
    if (state_ != State::members) return enter(State::done);
    if (seen_ != 7)
      refuse(tensor(), "the tensor's entry is incomplete",
             {.expected = "dtype, shape and data_offsets",
              .found = fmt::format("{}{}{}", (seen_ & 1) ? "" : "no dtype ", (seen_ & 2) ? "" : "no shape ",
                                   (seen_ & 4) ? "" : "no data_offsets")});
    return enter(State::names);
  }
  bool start_array(size_t /*size*/) {
    if (state_ == State::shape_value) return enter(State::shape);
    if (state_ == State::offsets_value) return enter(State::offsets);
    misplaced("a list");
  }
  bool end_array() {
    if (state_ == State::offsets && offsets_ != 2)
      refuse(tensor(), "data_offsets is not a pair", {.found = fmt::format("{} numbers", offsets_)});
    return enter(State::members);
  }
  bool string(std::string& text) {
    if (state_ == State::metadata_text) {
      out_.metadata.back().second = std::move(text);
      return enter(State::metadata);
    }
    if (state_ != State::dtype) misplaced("a string");
    const std::optional<DType> dtype = dtype_from_name(text);
    if (!dtype)
      refuse(tensor(), "the dtype is not one of the safetensors format",
             {.found = in_quotes(text), .advice = "Convert the tensor to F32, F16 or BF16."});
    out_.tensors.back().dtype = *dtype;
    return enter(State::members);
  }
  bool number_unsigned(uint64_t number) {
    SafetensorsEntry& entry = out_.tensors.empty() ? nowhere_ : out_.tensors.back();
    if (state_ == State::shape) {
      if (entry.shape.size() >= limits::kRank)
        refuse(tensor(), fmt::format("the tensor has more than {} dimensions", limits::kRank));
      if (number > static_cast<uint64_t>(INT64_MAX))
        refuse(tensor(), "a dimension is too large", {.found = fmt::format("{}", number)});
      entry.shape.push_back(static_cast<int64_t>(number));
      return true;
    }
    if (state_ != State::offsets) misplaced("a number");
    if (++offsets_ > 2) refuse(tensor(), "data_offsets is not a pair", {.found = "three or more numbers"});
    (offsets_ == 1 ? entry.begin : entry.end) = number;
    return true;
  }
  bool number_integer(int64_t number) {
    if (state_ != State::shape && state_ != State::offsets) misplaced("a number");
    refuse(tensor(), "a size is negative", {.found = fmt::format("{}", number)});
  }
  bool number_float(double /*number*/, const std::string& spelling) {
    if (state_ != State::shape && state_ != State::offsets) misplaced("a number");
    refuse(tensor(), "a size is not a whole number below 2^64", {.found = in_quotes(spelling)});
  }
  bool null() { misplaced("null"); }
  bool boolean(bool /*value*/) { misplaced("true or false"); }
  bool binary(nlohmann::json::binary_t& /*bytes*/) { misplaced("binary data"); }
  bool parse_error(size_t position, const std::string& /*token*/, const nlohmann::json::exception& /*e*/) {
    refuse(where_, fmt::format("the header is not valid JSON at byte {} of the file", position + 8),
           {.advice = "The file is damaged or no safetensors file; download it again."});
  }

 private:
  enum class State : uint8_t {
    start,
    names,           // before a tensor's name, or the end
    tensor_value,    // after a tensor's name
    members,         // before a member of a tensor's entry, or its end
    dtype,           // after "dtype"
    shape_value,     // after "shape"
    shape,           // inside it
    offsets_value,   // after "data_offsets"
    offsets,         // inside it
    metadata_value,  // after "__metadata__"
    metadata,        // before a member of it, or its end
    metadata_text,   // after a member's name
    done
  };

  bool enter(State next) {
    state_ = next;
    return true;
  }
  bool tensor_key(std::string& text) {
    if (text == "__metadata__") {
      if (std::exchange(has_metadata_, true)) refuse(where_, "the header has __metadata__ twice");
      return enter(State::metadata_value);
    }
    check_name(text, where_);
    if (out_.tensors.size() >= limits::kTensors)
      refuse(where_, fmt::format("the file has more than {} tensors", limits::kTensors));
    name_ = std::move(text);
    return enter(State::tensor_value);
  }
  bool member_key(const std::string& text) {
    struct Member {
      std::string_view name;
      State next;
    };
    constexpr Member kMembers[] = {
        {"dtype", State::dtype}, {"shape", State::shape_value}, {"data_offsets", State::offsets_value}};
    for (unsigned i = 0; i < 3; ++i) {
      if (text != kMembers[i].name) continue;
      if (seen_ & (1u << i)) refuse(tensor(), fmt::format("the tensor's entry has {} twice", text));
      seen_ |= 1u << i;
      offsets_ = 0;
      return enter(kMembers[i].next);
    }
    refuse(tensor(), "the tensor's entry has a member that the format does not know",
           {.expected = "dtype, shape and data_offsets", .found = in_quotes(text)});
  }
  std::string tensor() const { return fmt::format("{}: tensor {}", where_, in_quotes(name_)); }
  [[noreturn]] void misplaced(const char* found) const {
    if (state_ == State::metadata_text || state_ == State::metadata_value)
      refuse(where_, "__metadata__ is not a table of strings", {.found = found});
    if (state_ == State::start || state_ == State::names || state_ == State::done)
      refuse(where_, "the header is not a JSON object", {.found = found});
    refuse(
        tensor(), "the tensor's entry is malformed",
        {.expected = R"({"dtype": text, "shape": [sizes], "data_offsets": [begin, end]})", .found = found});
  }

  SafetensorsHeader& out_;
  const std::string& where_;
  SafetensorsEntry nowhere_;
  std::string name_;
  State state_ = State::start;
  unsigned seen_ = 0;
  int offsets_ = 0;
  bool has_metadata_ = false;
};

/// The JSON text of the header, without the blanks that pad it.
std::string_view header_text(std::span<const std::byte> file, const std::string& where) {
  constexpr const char* kAdvice = "The file is truncated or no safetensors file; download it again.";
  if (file.size() < 8)
    refuse(
        where, "the file is too short to be a safetensors file",
        {.expected = "at least 8 bytes", .found = fmt::format("{} bytes", file.size()), .advice = kAdvice});
  uint64_t length = 0;
  std::memcpy(&length, file.data(), 8);
  if (length > limits::kHeaderBytes)
    refuse(where, "the header's length is beyond the limit of the format",
           {.expected = fmt::format("at most {} bytes", limits::kHeaderBytes),
            .found = fmt::format("{}", length),
            .advice = kAdvice});
  if (length > file.size() - 8)
    refuse(where, "the header is longer than the file",
           {.expected = fmt::format("a header of at most {} bytes", file.size() - 8),
            .found = fmt::format("{}", length),
            .advice = kAdvice});
  std::string_view text(reinterpret_cast<const char*>(file.data()) + 8, length);
  if (text.empty() || text[0] != '{')
    refuse(where, "the header does not begin with '{'",
           {.found = in_quotes(text.substr(0, 8)), .advice = kAdvice});
  while (text.back() == ' ') text.remove_suffix(1);
  if (text.back() != '}')
    refuse(
        where, "the header does not end with '}' and blanks",
        {.found = in_quotes(text.substr(text.size() - std::min<size_t>(8, text.size()))), .advice = kAdvice});
  return text;
}

void check_twins(const SafetensorsHeader& header, const std::string& where) {
  std::vector<std::string_view> names;
  names.reserve(std::max(header.tensors.size(), header.metadata.size()));
  for (const auto& entry : header.tensors) names.push_back(entry.name);
  const auto twin = [&] {
    std::sort(names.begin(), names.end());
    return std::adjacent_find(names.begin(), names.end());
  };
  if (const auto at = twin(); at != names.end())
    refuse(where, fmt::format("the header names the tensor {} twice", in_quotes(*at)));
  names.clear();
  for (const auto& [key, text] : header.metadata) names.push_back(key);
  if (const auto at = twin(); at != names.end())
    refuse(where, fmt::format("__metadata__ has the key {} twice", in_quotes(*at)));
}

/// shape x dtype in bytes must be what the offsets span.
void check_size(const SafetensorsEntry& entry, const std::string& where) {
  const auto tensor = [&] { return fmt::format("{}: tensor {}", where, in_quotes(entry.name)); };
  const std::string shape = fmt::format("{} [{}]", dtype_name(entry.dtype), fmt::join(entry.shape, ", "));
  const std::optional<int64_t> count = checked_elements(entry.shape);
  const std::optional<uint64_t> bits =
      count ? checked_mul(static_cast<uint64_t>(*count), static_cast<uint64_t>(dtype_bits(entry.dtype)))
            : std::nullopt;
  if (!bits) refuse(tensor(), "the tensor's size does not fit 64 bits", {.found = shape});
  if (*bits % 8 != 0) refuse(tensor(), "the tensor does not fill whole bytes", {.found = shape});
  if (entry.begin > entry.end)
    refuse(tensor(), "the tensor's data ends before it begins",
           {.found = fmt::format("data_offsets [{}, {}]", entry.begin, entry.end)});
  if (entry.end - entry.begin != *bits / 8)
    refuse(tensor(), "shape and dtype do not agree with the size of the data",
           {.expected = fmt::format("{} bytes for {}", *bits / 8, shape),
            .found = fmt::format("{} bytes", entry.end - entry.begin),
            .advice = "The file is damaged; download it again."});
}

/// Data must begin at 0, follow on without overlap or hole, and end with the file.
void check_ranges(SafetensorsHeader& header, uint64_t data_bytes, const std::string& where) {
  std::sort(header.tensors.begin(), header.tensors.end(),
            [](const auto& a, const auto& b) { return std::tie(a.begin, a.end) < std::tie(b.begin, b.end); });
  uint64_t at = 0;
  for (SafetensorsEntry& entry : header.tensors) {
    check_size(entry, where);
    const auto refuse_range = [&](const char* what) {
      refuse(fmt::format("{}: tensor {}", where, in_quotes(entry.name)), what,
             {.expected = fmt::format("data from byte {} on, up to {} at most", at, data_bytes),
              .found = fmt::format("data_offsets [{}, {}]", entry.begin, entry.end),
              .advice = "The file is truncated or damaged; download it again."});
    };
    if (entry.end > data_bytes) refuse_range("the tensor's data ends beyond the file");
    if (entry.begin < at) refuse_range("the tensor's data overlaps that of another tensor");
    if (entry.begin > at) refuse_range("there is a hole before the tensor's data");
    at = entry.end;
    entry.begin += header.data_begin;
    entry.end += header.data_begin;
  }
  if (at != data_bytes)
    refuse(where, "the file goes on after the last tensor",
           {.expected = fmt::format("{} bytes of data", at),
            .found = fmt::format("{} bytes", data_bytes),
            .advice = "The file is damaged; download it again."});
}

}  // namespace

SafetensorsHeader read_safetensors_header(std::span<const std::byte> file, const std::string& where) {
  SafetensorsHeader header;
  const std::string_view text = header_text(file, where);
  HeaderEvents events(header, where);
  nlohmann::json::sax_parse(text, &events);
  uint64_t length = 0;
  std::memcpy(&length, file.data(), 8);
  header.data_begin = 8 + length;
  check_twins(header, where);
  check_ranges(header, file.size() - header.data_begin, where);
  return header;
}

}  // namespace varve::checkpoint
