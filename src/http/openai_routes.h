#pragma once
// The routes of OpenAI's protocols (chat completions and completions), and what a person copies to use them.
#include <vector>

#include "http/protocols.h"

namespace varve::http {

std::vector<Route> openai_routes();
std::vector<CopyLine> openai_copy_lines(const ServerAddress& address);

}  // namespace varve::http
