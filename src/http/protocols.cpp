#include "http/protocols.h"

#include "http/clients.h"

namespace varve::http {

namespace {

std::vector<Route> none() { return {}; }

}  // namespace

const std::vector<ProtocolFile>& protocols() {
  static const std::vector<ProtocolFile> all{{.routes = none, .copy_lines = openai_copy_lines},
                                             {.routes = none, .copy_lines = anthropic_copy_lines}};
  return all;
}

}  // namespace varve::http
