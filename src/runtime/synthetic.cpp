#include "runtime/synthetic.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "checkpoint/checkpoint.h"
#include "core/error.h"
#include "core/toml.h"
#include "family/resolve.h"
#include "nn/synthetic.h"

namespace varve::runtime {

std::vector<std::string> synthetic_names() {
  std::vector<std::string> names;
  for (const EmbeddedFile& file : synthetic_files()) names.emplace_back(file.name);
  return names;
}

SyntheticModel make_synthetic(std::string_view name) {
  for (const EmbeddedFile& file : synthetic_files()) {
    if (file.name != name) continue;
    const std::string origin = fmt::format("catalog/synthetic/{}.toml", name);
    const Value card = toml::parse(file.text, origin);
    checkpoint::Checkpoint config_only;
    config_only.path = origin;
    config_only.config = *card.find("config");
    const auto library = family::FamilyLibrary::builtin();
    const family::Matched matched = family::match_checkpoint(config_only, library);
    family::SpecReport report;
    SyntheticModel made{.about = card.find("about")->text(),
                        .spec = family::resolve_config(*matched.family, matched.view, report),
                        .weights = nullptr};
    made.weights =
        nn::synthetic_source(made.spec, {.encoding = ops::Encoding::affine,
                                         .dtype = DType::bf16,
                                         .bits = static_cast<int>(card.find("bits")->integer()),
                                         .group = static_cast<int>(card.find("group")->integer())});
    return made;
  }
  throw LoadError({.what = fmt::format("there is no synthetic model '{}'", name),
                   .where = {},
                   .expected = fmt::format("one of {}", fmt::join(synthetic_names(), ", ")),
                   .found = {},
                   .advice = {}});
}

}  // namespace varve::runtime
