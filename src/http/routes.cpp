// The route table. A protocol's routes stand in its own file; the protocols in protocols.cpp.
#include "http/info.h"
#include "http/protocols.h"
#include "http/route.h"

namespace varve::http {

const std::vector<Route>& routes() {
  static const std::vector<Route> table = [] {
    std::vector<Route> all{{.method = "GET", .path = "/health", .does = Quick{health}, .needs_key = false},
                           {.method = "GET", .path = "/metrics", .does = Quick{metrics}},
                           {.method = "GET", .path = "/props", .does = Quick{props}},
                           {.method = "POST", .path = "/tokenize", .does = Lookup{tokenize}},
                           {.method = "POST", .path = "/detokenize", .does = Lookup{detokenize}}};
    for (const ProtocolFile& protocol : protocols())
      for (Route& route : protocol.routes()) all.push_back(std::move(route));
    return all;
  }();
  return table;
}

}  // namespace varve::http
