#pragma once
// Makes backends. `name`: "" takes the best this machine runs; otherwise one of backend_names(), the
// same words that VARVE_ISA accepts ("ref" is the scalar truth).
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "ops/ops.h"

namespace varve::kernels {

/// The backends this machine can run, best first, "ref" last.
std::vector<std::string> backend_names();

/// `pool` and the precision are kept for the backend's life. An unknown or unsupported name is refused
/// with the ones that work.
Result<std::unique_ptr<ops::Backend>> make_backend(std::string_view name, ops::Precision precision,
                                                   ThreadPool& pool);

/// "" or what the environment variable VARVE_ISA asks for.
std::string forced_backend();

}  // namespace varve::kernels
