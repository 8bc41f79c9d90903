// GGUF's K-quants as words, and their scales as they are. A block is 256 numbers of one row; codes of more
// bits than four or two lie in two fields, and groups of 32 or 16 have scales of their own:
// clang-format off
//   Q2_K  16 bytes of s, m in 4 bits; 64 of codes; d, e f16            code * (d * s) - e * m         groups of 16
//   Q3_K  32 of third bits; 64 of codes; 12 of s in 6 bits; d f16      (code - 4) * (d * (s - 32))    groups of 16
//   Q4_K  d, e f16; 12 of s, m in 6 bits; 128 of codes                 code * (d * s) - e * m         groups of 32
//   Q5_K  d, e f16; 12 of s, m in 6 bits; 32 of fifth bits; 128        code * (d * s) - e * m         groups of 32
//   Q6_K  128 of codes; 64 of fifth and sixth bits; 16 int8 s; d f16   (code - 32) * (d * s)          groups of 16
// clang-format on
// Source: the dequantisation functions of the ggml library. A scale has at most 18 bits and a product with a
// code 24, so all of them are exact in float32, and the sum of a product and a minimum is rounded once, there
// as here: the words give the same bits.
#include <fmt/format.h>

#include <cmath>

#include "checkpoint/checkpoint.h"
#include "checkpoint/code_stream.h"
#include "checkpoint/gguf_types.h"
#include "checkpoint/refuse.h"
#include "core/checked.h"

namespace varve::checkpoint {

namespace {

constexpr int kBlock = 256;

int at(const std::byte* bytes, int i) { return std::to_integer<int>(bytes[i]); }

/// What one block holds, one byte for each number or group.
struct Parts {
  uint8_t codes[kBlock];
  int8_t scales[16], minima[16];
};

/// Two bits each: of every 128 numbers, byte l holds numbers l, 32 + l, 64 + l, 96 + l.
void read_pairs(const std::byte* in, uint8_t* codes) {
  for (int i = 0; i < kBlock; ++i)
    codes[i] = static_cast<uint8_t>(at(in, i / 128 * 32 + i % 32) >> (i % 128 / 32 * 2) & 3);
}

/// Four bits each: of every 64 numbers, byte l holds numbers l, 32 + l.
void read_nibbles(const std::byte* in, uint8_t* codes) {
  for (int i = 0; i < kBlock; ++i)
    codes[i] = static_cast<uint8_t>(at(in, i / 64 * 32 + i % 32) >> (i % 64 / 32 * 4) & 15);
}

/// One more bit for each: bit i / 32 of byte i % 32.
void add_bits(const std::byte* in, int shift, uint8_t* codes) {
  for (int i = 0; i < kBlock; ++i)
    codes[i] = static_cast<uint8_t>(codes[i] | (at(in, i % 32) >> (i / 32) & 1) << shift);
}

/// Eight scales and eight minima of 6 bits. The first four of each lie in the low six bits of 8 bytes; the
/// others have their low halves in 4 more bytes and their high bits in what is left of the first 8.
void read_sixes(const std::byte* in, Parts& parts) {
  for (int g = 0; g < 4; ++g) {
    parts.scales[g] = static_cast<int8_t>(at(in, g) & 63);
    parts.minima[g] = static_cast<int8_t>(at(in, 4 + g) & 63);
    parts.scales[4 + g] = static_cast<int8_t>((at(in, 8 + g) & 15) | at(in, g) >> 6 << 4);
    parts.minima[4 + g] = static_cast<int8_t>(at(in, 8 + g) >> 4 | at(in, 4 + g) >> 6 << 4);
  }
}

void read_q2(const std::byte* in, Parts& parts) {
  read_pairs(in + 16, parts.codes);
  for (int g = 0; g < 16; ++g) {
    parts.scales[g] = static_cast<int8_t>(at(in, g) & 15);
    parts.minima[g] = static_cast<int8_t>(at(in, g) >> 4);
  }
}

/// The low halves of the scales are the halves of 8 bytes, their high bits those of 4 more.
void read_q3(const std::byte* in, Parts& parts) {
  read_pairs(in + 32, parts.codes);
  add_bits(in, 2, parts.codes);
  const std::byte* sixes = in + 96;
  for (int g = 0; g < 16; ++g) {
    const int low = at(sixes, g % 8) >> (g / 8 * 4) & 15;
    const int high = at(sixes, 8 + g % 4) >> (g / 4 * 2) & 3;
    parts.scales[g] = static_cast<int8_t>((low | high << 4) - 32);
  }
}

void read_q4(const std::byte* in, Parts& parts) {
  read_sixes(in + 4, parts);
  read_nibbles(in + 16, parts.codes);
}

void read_q5(const std::byte* in, Parts& parts) {
  read_sixes(in + 4, parts);
  read_nibbles(in + 48, parts.codes);
  add_bits(in + 16, 4, parts.codes);
}

/// Of every 128 numbers, the low halves are in 64 bytes: numbers 0 to 63, then 64 to 127; the others lie as
/// pairs.
void read_q6(const std::byte* in, Parts& parts) {
  read_pairs(in + 128, parts.codes);
  for (int i = 0; i < kBlock; ++i) {
    const int low = at(in, i / 128 * 64 + i % 64) >> (i % 128 / 64 * 4) & 15;
    parts.codes[i] = static_cast<uint8_t>(parts.codes[i] << 4 | low);
  }
  for (int g = 0; g < 16; ++g) parts.scales[g] = static_cast<int8_t>(at(in, 192 + g));
}

struct Form {
  int bits, group;
  int64_t d, e;  // where they lie in a block; e -1: no minima
  void (*read)(const std::byte*, Parts&);
  void (*write)(const uint8_t*, int, std::byte*);
};

const Form& form_of(BlockType block) {
  static constexpr Form kForms[] = {{2, 16, 80, 82, read_q2, write_codes<2>},
                                    {3, 16, 108, -1, read_q3, write_codes<3>},
                                    {4, 32, 0, 2, read_q4, write_codes<4>},
                                    {5, 32, 0, 2, read_q5, write_codes<5>},
                                    {6, 16, 208, -1, read_q6, write_codes<6>}};
  check(is_k_block(block), "k_words_from_blocks of another tensor");
  return kForms[static_cast<size_t>(block) - static_cast<size_t>(BlockType::q2_k)];
}

void check_number(const std::byte* half, const Tensor& tensor) {
  uint16_t bits = 0;
  std::memcpy(&bits, half, 2);
  const float number = f16_to_f32(bits);
  if (std::isfinite(number)) return;
  refuse(tensor.file ? tensor.file->path().string() : "",
         "a weight block has a scale that is no finite number",
         {.found = fmt::format("{}", number), .advice = "The file is damaged; download it again."});
}

/// A record of a table of scales: the float16 of all, then one byte for each group.
std::byte* put_record(const std::byte* half, const int8_t* groups, size_t count, std::byte* out) {
  std::memcpy(out, half, 2);
  std::memcpy(out + 2, groups, count);
  return out + 2 + count;
}

}  // namespace

KWords k_words_from_blocks(const Tensor& tensor, int64_t first, int64_t count) {
  const Form& form = form_of(tensor.block);
  const std::span<const int64_t> shape(tensor.shape);
  const int64_t rows = shape.empty() ? 1 : checked_elements(shape.first(shape.size() - 1)).value_or(0);
  check(first >= 0 && count >= 0 && first <= rows - count, "k_words_from_blocks: no such rows");
  const int64_t row_blocks = shape.empty() ? 0 : shape.back() / kBlock, size = block_bytes(tensor.block);
  const auto blocks = static_cast<size_t>(count * row_blocks),
             groups = static_cast<size_t>(kBlock / form.group);

  KWords out{.bits = form.bits, .group = form.group, .words = {}, .scales = {}, .biases = {}};
  out.words.resize(blocks * kBlock * static_cast<size_t>(form.bits) / 8);
  out.scales.resize(blocks * (2 + groups));
  if (form.e >= 0) out.biases.resize(out.scales.size());
  const std::byte* in = tensor.bytes.data() + first * row_blocks * size;
  std::byte *words = out.words.data(), *scales = out.scales.data(), *biases = out.biases.data();
  Parts parts{};
  for (size_t b = 0; b < blocks; ++b, in += size, words += kBlock * form.bits / 8) {
    form.read(in, parts);
    form.write(parts.codes, kBlock, words);
    check_number(in + form.d, tensor);
    scales = put_record(in + form.d, parts.scales, groups, scales);
    if (form.e < 0) continue;
    check_number(in + form.e, tensor);
    biases = put_record(in + form.e, parts.minima, groups, biases);
  }
  return out;
}

}  // namespace varve::checkpoint
