// Randomness as a parameter: pure code draws from what it is given, tests give a fixed sequence.
#pragma once

#include <cstdint>
#include <string>

namespace danelaw {

class Rng {
  public:
    virtual ~Rng() = default;
    virtual std::uint64_t next() = 0;
    std::uint64_t below(std::uint64_t n) { return n == 0 ? 0 : next() % n; } // [0, n)
};

// The kernel's generator, buffered. Not shared between threads.
class SystemRng final : public Rng {
  public:
    std::uint64_t next() override;

  private:
    std::uint64_t buffer_[64] = {};
    std::size_t left_ = 0;
};

// A fixed sequence for tests (splitmix64).
class SeededRng final : public Rng {
  public:
    explicit SeededRng(std::uint64_t seed) : state_(seed) {}
    std::uint64_t next() override;

  private:
    std::uint64_t state_;
};

std::string random_token(std::size_t octets); // lower-case hex from the kernel's generator

} // namespace danelaw
