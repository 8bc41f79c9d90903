#pragma once
// What `varve convert --quality FILE` measures: the converted model against its source on a text.
#include <filesystem>
#include <string>

#include "core/value.h"

namespace varve::app {

struct QualityJob {
  std::filesystem::path source, result;
  std::string text_file;
  std::filesystem::path family;  // a family file for both; empty: the ones that match
  int threads = 0;               // 0: every core
};

/// Perplexity of both, mean and 99th-percentile KL, top-1 agreement. A LoadError when one of them cannot be
/// loaded or has no tokenizer, a UsageError when the text is too short.
Table measure_quality(const QualityJob& job);

}  // namespace varve::app
