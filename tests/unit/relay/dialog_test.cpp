// Dialogues as text: tests/unit/relay/dialogs/*.txt, one case a file. Lines:
//   # comment                       config: key=value …   before anything else (see configure())
//   C: line with CRLF added         c: octets as they are; \r \n \0 \xHH \\ are escapes in both
//   S: regex of one whole reply, lines joined by |
//   TLS                             the client starts TLS; TLS client / TLS foreign: with a certificate
//   EOF                             the server closes
//   CONNECT                         a new connection (the first is there already)
//   N: number of messages in the queue
//   M: regex of the newest message: "from=<> to=a,b proto=ESMTP utf8 requiretls body=8bit user=u envid=… notify=…"
//   B: the newest message's content behind our own fields, exactly
//   H: regex searched for in our own fields of the newest message
//   L: regex searched for in the log; !L: must not be there
#include "relay/relay_support.hpp"

#include "danelaw/smtp/command_out.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>

namespace danelaw::relay {
namespace {

using namespace testing;

struct Step {
    int line = 0;
    std::string kind, text;
};

std::string unescape(std::string_view s) {
    std::string out;
    for (std::size_t i = 0; i < s.size(); ++i) {
        if (s[i] != '\\' || i + 1 == s.size()) {
            out += s[i];
            continue;
        }
        switch (s[++i]) {
        case 'r': out += '\r'; break;
        case 'n': out += '\n'; break;
        case '0': out += '\0'; break;
        case 'x':
            out += *unhex(s.substr(i + 1, 2));
            i += 2;
            break;
        default: out += s[i];
        }
    }
    return out;
}

std::vector<Step> read_script(const std::filesystem::path& file) {
    std::ifstream in(file);
    std::vector<Step> steps;
    std::string line;
    for (int number = 1; std::getline(in, line); ++number) {
        if (line.empty() || line.starts_with('#')) continue;
        auto colon = line.find(": ");
        bool bare = line.starts_with("TLS") || line == "EOF" || line == "CONNECT";
        if (bare || colon == std::string::npos) {
            auto blank = line.find(' ');
            steps.push_back({number, line.substr(0, line.ends_with(':') ? line.size() - 1 : blank),
                             blank == std::string::npos ? "" : line.substr(blank + 1)});
        } else {
            steps.push_back({number, line.substr(0, colon), line.substr(colon + 2)});
        }
    }
    return steps;
}

void set_users(World& world) {
    auto file = std::filesystem::path(tls_files().certificate).parent_path() / "users";
    std::ofstream out(file);
    // "tim" with the password "tanstaaf" (RFC 4616's example).
    out << "# users\ntim:$5$saltsalt$AHEKnDWlz30naxZICwx9iP.q/8kkh.5vY4KFHIo4Rn8\n";
    out.close();
    world.settings->relay.users_file = file.string();
}

void configure(World& world, const std::string& text) {
    auto& listener = world.listener();
    for (const auto& item : split(text, ' ')) {
        auto equals = item.find('=');
        auto key = item.substr(0, equals), value = item.substr(equals + 1);
        if (key == "tls") {
            listener.certificate = tls_files().certificate;
            listener.private_key = tls_files().private_key;
            listener.tls = value == "starttls"   ? config::ListenerTls::starttls
                           : value == "required" ? config::ListenerTls::required
                                                 : config::ListenerTls::implicit;
        } else if (key == "auth") {
            listener.auth = value == "required" ? config::AuthMode::required : config::AuthMode::optional;
        } else if (key == "users") {
            if (value == "yes") set_users(world);
        } else if (key == "client_ca") {
            world.settings->relay.client_ca = tls_files().client_ca;
        } else if (key == "allow") {
            world.settings->relay.allow.clear();
            if (value != "none") world.settings->relay.allow.push_back(*IpPrefix::parse(value));
        } else if (key == "proxy") {
            listener.proxy_protocol = true;
        } else if (key == "bare") {
            listener.bare_newline = config::BareNewline::reject;
        } else if (key == "headers") {
            listener.add_missing_headers = value != "off";
        } else if (key == "size") {
            world.settings->limits.message_size = *parse_number(value);
        } else if (key == "rcpts") {
            world.settings->limits.recipients_per_message = static_cast<std::uint32_t>(*parse_number(value));
        } else if (key == "free") {
            world.free_disk = *parse_number(value);
            world.settings->limits.min_free_disk = 1000;
        } else if (key == "overloaded") {
            world.overloaded = true;
        } else if (key == "timeout") {
            world.settings->limits.command_timeout = Millis(static_cast<int>(*parse_number(value)));
        } else if (key == "add") {
            world.queue.fail_add = Error{value == "full" ? Errc::full : Errc::unavailable, "as told"};
        } else {
            ADD_FAILURE() << "unknown key " << key;
        }
    }
}

std::string summary(const store::Message& m) {
    const auto& e = m.envelope;
    std::string out = "from=<" + e.reverse_path + "> to=";
    for (const auto& r : m.recipients) out += (r.number ? "," : "") + r.address;
    out += " proto=" + e.client.protocol;
    if (e.smtputf8) out += " utf8";
    if (e.requiretls) out += " requiretls";
    if (e.body == message::Body::eight_bit_mime) out += " body=8bit";
    if (e.body == message::Body::binary_mime) out += " body=binary";
    if (!e.client.user.empty()) out += " user=" + e.client.user;
    if (e.ret != message::Ret::unset) out += e.ret == message::Ret::full ? " ret=full" : " ret=hdrs";
    if (!e.envid.empty()) out += " envid=" + e.envid;
    if (!e.auth.empty()) out += " auth=" + e.auth;
    for (const auto& r : m.recipients) {
        if (!r.notify.absent()) out += " notify=" + smtp::notify_text(r.notify);
        if (!r.orcpt.empty()) out += " orcpt=" + r.orcpt;
    }
    if (e.client.address) out += " client=" + e.client.address->text();
    return out;
}

// Our own fields and what was there before: Received, then what was added, then the content as it came.
std::pair<std::string, std::string> parted(const std::string& content) {
    std::size_t at = 0;
    auto ours = [&](std::string_view field) {
        if (content.compare(at, field.size(), field) != 0) return;
        do at = content.find("\r\n", at) + 2;
        while (content[at] == '\t' || content[at] == ' ');
    };
    ours("Received: from ");
    return {content.substr(0, at), content.substr(at)};
}

net::Task<void> follow(World& world, std::vector<Step> steps, std::string name) {
    auto client = co_await world.connect();
    for (const auto& step : steps) {
        const std::string where = name + ":" + std::to_string(step.line);
        if (step.kind == "C") {
            co_await send(client, unescape(step.text) + "\r\n");
        } else if (step.kind == "c") {
            co_await send(client, unescape(step.text));
        } else if (step.kind == "S") {
            auto got = co_await reply(client);
            EXPECT_TRUE(std::regex_match(got, std::regex(step.text)))
                << where << ": " << got << "\nwanted " << step.text;
        } else if (step.kind == "TLS") {
            const auto& f = tls_files();
            bool own = step.text == "client", foreign = step.text == "foreign";
            bool ok = co_await client_tls(client,
                                          own       ? f.client_certificate
                                          : foreign ? f.foreign_certificate
                                                    : "",
                                          own       ? f.client_key
                                          : foreign ? f.foreign_key
                                                    : "");
            EXPECT_TRUE(ok) << where;
        } else if (step.kind == "EOF") {
            auto got = co_await reply(client);
            EXPECT_TRUE(got == "(closed)" || got == "(error)") << where << ": " << got;
        } else if (step.kind == "CONNECT") {
            client.stream().close();
            client = co_await world.connect();
        } else if (step.kind == "N") {
            EXPECT_EQ(world.queue.messages.size(), static_cast<std::size_t>(std::stoi(step.text))) << where;
        } else if (step.kind == "L" || step.kind == "!L") {
            EXPECT_EQ(std::regex_search(world.log.text(), std::regex(step.text)), step.kind == "L") << where << '\n'
                                                                                                    << world.log.text();
        } else if (world.queue.messages.empty()) {
            ADD_FAILURE() << where << ": nothing was queued";
        } else if (step.kind == "M") {
            auto got = summary(world.queue.messages.back().message);
            EXPECT_TRUE(std::regex_match(got, std::regex(step.text))) << where << ": " << got;
        } else if (step.kind == "B") {
            EXPECT_EQ(parted(world.queue.messages.back().content).second, unescape(step.text)) << where;
        } else if (step.kind == "H") {
            auto got = parted(world.queue.messages.back().content).first;
            EXPECT_TRUE(std::regex_search(got, std::regex(step.text))) << where << ": " << got;
        } else {
            ADD_FAILURE() << where << ": what is " << step.kind << "?";
        }
    }
    client.stream().close();
    co_await world.settle();
}

class Dialog : public ::testing::TestWithParam<std::filesystem::path> {};

TEST_P(Dialog, GoesAsWritten) {
    auto steps = read_script(GetParam());
    World world;
    if (!steps.empty() && steps.front().kind == "config") {
        configure(world, steps.front().text);
        steps.erase(steps.begin());
    }
    world.open();
    world.run(follow(world, std::move(steps), GetParam().filename().string()));
    world.run(world.stop());
    EXPECT_TRUE(world.queue.pieces.empty()) << "pieces of messages that never came";
}

std::vector<std::filesystem::path> all_dialogs() {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(DANELAW_TEST_DATA "/dialogs"))
        files.push_back(entry.path());
    std::ranges::sort(files);
    return files;
}

INSTANTIATE_TEST_SUITE_P(All, Dialog, ::testing::ValuesIn(all_dialogs()), [](const auto& info) {
    auto name = info.param.stem().string();
    std::ranges::replace(name, '-', '_');
    return name;
});

} // namespace
} // namespace danelaw::relay
