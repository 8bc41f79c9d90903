#pragma once
// What config.json says of the words: one table for the default and for every module that differs, as MLX
// writes it.
#include <optional>
#include <vector>

#include "convert/decide.h"

namespace varve::convert {

/// The words of a format as MLX can say them; nothing for numbers and for words that MLX does not have.
std::optional<checkpoint::QuantScheme> mlx_scheme(const ops::WeightFormat& format);

/// The table that MLX wrote into the source's config; null where there is none.
const Value* mlx_table_of(const checkpoint::Checkpoint& checkpoint);

/// The table of a result. `decisions` stand beside MlxForm::tensors; entries that they lack are filled in.
Value config_table(const checkpoint::Checkpoint& checkpoint, const family::MlxForm& form,
                   const Recipe& recipe, std::vector<Decision>& decisions);

}  // namespace varve::convert
