#pragma once
// Whether this build checks itself with a sanitizer: everything is then many times slower, and a test may
// take smaller cases of the same kind.
namespace varve::test {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace varve::test
