#pragma once
// What each protocol's file gives to the list in protocols.cpp: ProtocolFile's members.
#include <vector>

#include "http/protocols.h"

namespace varve::http {

std::vector<Route> openai_routes();
std::vector<CopyLine> openai_copy_lines(const ServerAddress& address);

std::vector<Route> anthropic_routes();
std::vector<CopyLine> anthropic_copy_lines(const ServerAddress& address);

}  // namespace varve::http
