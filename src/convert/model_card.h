#pragma once
// README.md of a converted checkpoint: the front matter by which hubs and MLX's tools know it. What the
// source's own card says of licence, languages and origin stays.
#include <string>
#include <string_view>

namespace varve::convert {

struct CardFacts {
  std::string source_card;  // README.md of the source; may be empty
  std::string licence;      // of the source, where a model card says it and its README does not
  std::string source;       // its name
  std::string version;      // of varve
  std::string how;          // "affine 4-bit, group 64"
  double bits_per_weight = 0;
};

std::string model_card(const CardFacts& facts);

}  // namespace varve::convert
