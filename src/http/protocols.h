#pragma once
// The protocols that the server speaks. Each is a file of its own that gives its routes and what a person
// copies to use it; protocols.cpp names them, and nothing else does.
#include <string>
#include <vector>

#include "http/route.h"

namespace varve::http {

/// How a client reaches the server.
struct ServerAddress {
  std::string base_url;  // "http://127.0.0.1:8080", without a slash at the end
  std::string model;     // its name
  bool needs_key = false;
};

/// Something to copy, and where it goes: "Python", "curl".
struct CopyLine {
  std::string where;
  std::string line;
};

struct ProtocolFile {
  std::vector<Route> (*routes)();
  std::vector<CopyLine> (*copy_lines)(const ServerAddress& address);
};

const std::vector<ProtocolFile>& protocols();

}  // namespace varve::http
