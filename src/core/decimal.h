#pragma once
// Decimals behind binary numbers.

namespace varve {

/// The shortest decimal that rounds to the same float32, as a double: 1e-05f was written for 1e-05 and is
/// 9.99999974737875e-06. What is not finite stays as it is.
double shortest_decimal(float stored);

}  // namespace varve
