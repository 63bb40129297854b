#include "danelaw/app/serve.hpp"

// Read by jemalloc where it is linked: few threads here allocate, and what a burst took goes back within seconds.
extern "C" {
[[gnu::used]] const char* malloc_conf = "narenas:4,dirty_decay_ms:3000,muzzy_decay_ms:3000";
}

int main(int argc, char** argv) {
    return danelaw::app::run(argc, argv);
}
