// Any text is refused, or a config whose quantisation is read or refused; what is read is written and read
// again.
#include "checkpoint/quantization.h"
#include "core/error.h"
#include "core/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = varve::json::parse(text);
  if (!config) return 0;
  varve::check(varve::json::parse(varve::json::dump(config.value())).ok(),
               "JSON that varve wrote is not read");
  try {
    const auto quantization = varve::checkpoint::read_quantization(config.value(), "fuzz");
    quantization.scheme("language_model.model.layers.0.mlp.gate");
  } catch (const varve::LoadError&) {
  }
  return 0;
}
