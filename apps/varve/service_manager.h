#pragma once
// Words to the service manager that started the program (systemd's notification socket); nothing where there
// is none.
#include <string_view>

namespace varve::app {

/// "READY=1", "STOPPING=1", "STATUS=loading".
void notify_service_manager(std::string_view state);

}  // namespace varve::app
