#pragma once
// The routes of Anthropic's protocols (messages and the count of their tokens), and what a person copies to
// use them.
#include <vector>

#include "http/protocols.h"

namespace varve::http {

std::vector<Route> anthropic_routes();
std::vector<CopyLine> anthropic_copy_lines(const ServerAddress& address);

}  // namespace varve::http
