#pragma once
// Text files compiled into the binary by varve_embed() (cmake/VarveModule.cmake).
#include <span>
#include <string_view>

namespace varve {

struct EmbeddedFile {
  std::string_view name;  // the file's name without directory and ending
  std::string_view text;
};

}  // namespace varve
