#pragma once
// What a person copies to use the server, by protocol: ProtocolFile::copy_lines.
#include <vector>

#include "http/protocols.h"

namespace varve::http {

std::vector<CopyLine> openai_copy_lines(const ServerAddress& address);
std::vector<CopyLine> anthropic_copy_lines(const ServerAddress& address);

}  // namespace varve::http
