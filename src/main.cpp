#include "danelaw/app/serve.hpp"

int main(int argc, char** argv) {
    return danelaw::app::run(argc, argv);
}
