// The benchmark's load and sink in one program: see load.cpp and sink.cpp. tests/bench/run drives it.
#include "peer.hpp"

#include <csignal>

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);
    const std::string_view mode = argc > 1 ? argv[1] : "";
    if (mode == "sink") return bench::run_sink(argc - 2, argv + 2);
    if (mode == "load") return bench::run_load(argc - 2, argv + 2);
    bench::die("usage: smtp_bench sink|load OPTIONS...");
}
