// The program: the command line, and the daemon behind `danelaw serve`.
#pragma once

#include <string>

namespace danelaw::app {

// Exit status of the program.
int run(int argc, const char* const* argv);
// Runs the relay in the foreground until SIGTERM or SIGINT. 0 after a clean drain, 2 for a wrong configuration, 1 when
// it could not start (a port in use, a queue that can't be opened).
int serve(const std::string& config_file);

} // namespace danelaw::app
