#include "text/textkit_call.h"

namespace varve::text {

void require(tk_status status, const Bytes& error, const std::string& where, const std::string& advice) {
  if (status == TK_OK) return;
  throw LoadError({.what = error.str(), .where = where, .advice = advice});
}

RequestError refused(const Bytes& error, std::string field) { return {error.str(), std::move(field)}; }

std::vector<uint32_t> unsigned_ids(std::span<const int32_t> ids) { return {ids.begin(), ids.end()}; }

}  // namespace varve::text
