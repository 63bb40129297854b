#include "resolver/dns_support.hpp"

#include "danelaw/base/text.hpp"

#include <arpa/inet.h>
#include <cstring>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace danelaw::resolver::testing {
namespace {

void put16(std::string& out, unsigned value) {
    out += static_cast<char>(value >> 8 & 0xff);
    out += static_cast<char>(value & 0xff);
}

void put_record(std::string& out, const Record& record) {
    out += wire_name(record.owner);
    put16(out, record.type);
    put16(out, 1);
    put16(out, record.ttl >> 16);
    put16(out, record.ttl & 0xffff);
    put16(out, static_cast<unsigned>(record.rdata.size()));
    out += record.rdata;
}

Record soa() {
    Record record;
    record.owner = "test";
    record.type = 6;
    record.rdata =
        wire_name("ns.test") + wire_name("hostmaster.test") + std::string(16, '\0') + std::string("\0\0\0\5", 4);
    return record;
}

} // namespace

std::string wire_name(const std::string& name) {
    std::string out;
    if (!name.empty()) {
        for (const auto& label : split(name, '.')) {
            out += static_cast<char>(label.size());
            out += label;
        }
    }
    return out + '\0';
}

NameServer::NameServer() {
    socket_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(socket_, reinterpret_cast<sockaddr*>(&address), size) != 0) std::abort();
    ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
}

NameServer::~NameServer() {
    ended_ = true;
    thread_.join();
    ::close(socket_);
}

void NameServer::say(const std::string& name, std::uint16_t type, Reply reply) {
    const std::lock_guard lock(mutex_);
    replies_[{name, type}] = std::move(reply);
}

int NameServer::asked(const std::string& name, std::uint16_t type) {
    const std::lock_guard lock(mutex_);
    return asked_[{name, type}];
}

int NameServer::asked_in_all() {
    const std::lock_guard lock(mutex_);
    int all = 0;
    for (const auto& [question, times] : asked_) all += times;
    return all;
}

std::string NameServer::answer(const std::string& query) {
    std::string name;
    std::size_t at = 12;
    while (at < query.size() && query[at] != 0) {
        const auto length = static_cast<unsigned char>(query[at]);
        if (!name.empty()) name += '.';
        name += lower(query.substr(at + 1, length));
        at += length + 1u;
    }
    if (at + 5 > query.size()) return "";
    const auto type = static_cast<std::uint16_t>(static_cast<unsigned char>(query[at + 1]) << 8 |
                                                 static_cast<unsigned char>(query[at + 2]));
    Reply reply;
    {
        const std::lock_guard lock(mutex_);
        ++asked_[{name, type}];
        const auto found = replies_.find({name, type});
        if (found == replies_.end()) {
            reply.rcode = 3;
        } else {
            reply = found->second;
        }
    }
    if (reply.silent) return "";
    const bool denial = reply.answers.empty() && reply.with_soa && (reply.rcode == 0 || reply.rcode == 3);
    std::string out = query.substr(0, 2);
    put16(out, 0x8400u | static_cast<unsigned>(reply.rcode));
    put16(out, 1);
    put16(out, static_cast<unsigned>(reply.answers.size()));
    put16(out, denial ? 1 : 0);
    put16(out, 0);
    out += query.substr(12, at + 5 - 12);
    for (const auto& record : reply.answers) put_record(out, record);
    if (denial) put_record(out, soa());
    return out;
}

void NameServer::serve() {
    while (!ended_) {
        pollfd waiting{socket_, POLLIN, 0};
        if (::poll(&waiting, 1, 20) <= 0) continue;
        std::string buffer(4096, '\0');
        sockaddr_in from{};
        socklen_t size = sizeof from;
        const auto n = ::recvfrom(socket_, buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
        if (n < 17) continue;
        const std::string out = answer(buffer.substr(0, static_cast<std::size_t>(n)));
        if (!out.empty()) ::sendto(socket_, out.data(), out.size(), 0, reinterpret_cast<sockaddr*>(&from), size);
    }
}

} // namespace danelaw::resolver::testing
