#pragma once
// What mlx-lm makes of the tiny checkpoints, as data; MLX forms summed up, and written again in memory.
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/value.h"
#include "family/fixture.h"
#include "family/mlx_form.h"

namespace varve::family::fixture {

/// tests/cases/mlx: case -> {"values", "bf16", "tensors"} (tools/golden/mlx_form.py says what they are).
const Table& mlx_expectations();

/// A tensor as the expectations say it: "BF16 64x32 module eight".
std::string line_of(const MlxTensor& tensor);

/// The expected line of every tensor, its layers' numbers written out.
std::map<std::string, std::string> expected_lines(const Value& expected);

/// The checksum that the expectations hold.
std::string checksum(const MlxForm& form);

class Again : public MadeCheckpoint {
 public:
  /// The form's tensors as a converter writes them that changes no number, with `config` and what it has to
  /// say of quantisation.
  Again(const MlxForm& form, Value config);
  /// A copy of a checkpoint under other names, its plain tensors rounded to bfloat16 if `round`.
  Again(const checkpoint::Checkpoint& checkpoint,
        const std::function<std::string(const std::string&)>& rename, bool round);

 private:
  void add_words(const MlxForm& form, const MlxTensor& tensor, Table& schemes);
};

}  // namespace varve::family::fixture
