// Sockets passed by the service manager, and the addresses they are for.
#include "../../../src/app/inherited.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fcntl.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

namespace danelaw::app {
namespace {

std::string spoken(const Result<std::map<std::string, int>>& got) {
    if (!got) return "error: " + got.error().detail;
    std::string text;
    for (const auto& [address, descriptor] : *got) text += address + "=" + std::to_string(descriptor) + " ";
    return text;
}

TEST(Inherited, AreAssignedByAddress) {
    const std::vector<std::string> configured{"127.0.0.1:2525", "[0:0::1]:25", "unix:/run/mail.sock", "127.0.0.1:8025"};
    const std::string these = "; these are 127.0.0.1:2525, [0:0::1]:25, unix:/run/mail.sock, 127.0.0.1:8025";
    struct Row {
        const char* name;
        std::vector<Inherited> passed;
        std::string want;
    };
    const Row rows[] = {
        {"none", {}, ""},
        {"a_listener", {{3, "smtp", "127.0.0.1:2525"}}, "127.0.0.1:2525=3 "},
        {"in_another_spelling", {{3, "smtp", "[::1]:25"}}, "[0:0::1]:25=3 "},
        {"a_unix_socket", {{3, "smtp", "unix:/run/mail.sock"}}, "unix:/run/mail.sock=3 "},
        {"the_admin_address", {{3, "admin", "127.0.0.1:8025"}}, "127.0.0.1:8025=3 "},
        {"all_in_any_order",
         {{3, "a", "127.0.0.1:8025"},
          {4, "b", "unix:/run/mail.sock"},
          {5, "c", "[::1]:25"},
          {6, "d", "127.0.0.1:2525"}},
         "127.0.0.1:2525=6 127.0.0.1:8025=3 [0:0::1]:25=5 unix:/run/mail.sock=4 "},
        {"another_port",
         {{3, "danelaw.socket", "127.0.0.1:25"}},
         "error: the socket 127.0.0.1:25 of danelaw.socket is the address of no listener and not admin.address" +
             these},
        {"wider_than_configured",
         {{3, "", "0.0.0.0:2525"}},
         "error: the socket 0.0.0.0:2525 of the service manager is the address of no listener and not admin.address" +
             these},
        {"another_path",
         {{3, "smtp", "unix:/run/mail"}},
         "error: the socket unix:/run/mail of smtp is the address of no listener and not admin.address" + these},
        {"one_too_many",
         {{3, "smtp", "127.0.0.1:2525"}, {4, "smtp", "127.0.0.1:2525"}},
         "error: the socket 127.0.0.1:2525 of smtp was passed twice"},
    };
    for (const auto& row : rows) EXPECT_EQ(spoken(assign(row.passed, configured)), row.want) << row.name;
}

int listening(int family) {
    const int fd = ::socket(family, SOCK_STREAM, 0);
    return ::listen(fd, 5) == 0 ? fd : -1; // binds to a free port
}

// In a process of its own: the descriptors are numbers 3 and 4 there. What take_inherited() says is the exit status.
[[noreturn]] void child(const char* listen_pid, const char* count, int third) {
    if (third >= 0) ::dup2(third, 3);
    if (*listen_pid != '\0') ::setenv("LISTEN_PID", listen_pid, 1);
    if (std::string_view(listen_pid) == "mine") ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
    ::setenv("LISTEN_FDS", count, 1);
    ::setenv("LISTEN_FDNAMES", "smtp", 1);
    const auto got = take_inherited();
    const bool forgotten =
        ::getenv("LISTEN_FDS") == nullptr && ::getenv("LISTEN_PID") == nullptr && ::getenv("LISTEN_FDNAMES") == nullptr;
    if (!forgotten) ::_exit(90);
    if (!got) ::_exit(got.error().code == Errc::config ? 80 : 81);
    if (got->empty()) ::_exit(70);
    const Inherited& first = got->front();
    const bool good = got->size() == 1 && first.descriptor == 3 && first.name == "smtp" &&
                      first.address.starts_with("0.0.0.0:") && (::fcntl(3, F_GETFD) & FD_CLOEXEC) != 0;
    ::_exit(good ? 0 : 60);
}

TEST(InheritedDeathTest, AreTakenOnceAndOnlyWhenMeantForUs) {
    const int good = listening(AF_INET), six = listening(AF_INET6), mute = ::socket(AF_INET, SOCK_STREAM, 0),
              datagrams = ::socket(AF_INET, SOCK_DGRAM, 0);
    ASSERT_GE(good, 0);
    EXPECT_EXIT(child("mine", "1", good), ::testing::ExitedWithCode(0), "");
    EXPECT_EXIT(child("1", "1", good), ::testing::ExitedWithCode(70), ""); // another process's
    EXPECT_EXIT(child("", "1", good), ::testing::ExitedWithCode(70), "");
    EXPECT_EXIT(child("mine", "many", good), ::testing::ExitedWithCode(80), "");
    EXPECT_EXIT(child("mine", "1", mute), ::testing::ExitedWithCode(80), "");
    EXPECT_EXIT(child("mine", "1", datagrams), ::testing::ExitedWithCode(80), "");
    // [::] for IPv4 too, where the configuration's [::] means IPv6 alone.
    if (six >= 0) EXPECT_EXIT(child("mine", "1", six), ::testing::ExitedWithCode(80), "");
    for (const int fd : {good, six, mute, datagrams}) ::close(fd);
}

} // namespace
} // namespace danelaw::app
