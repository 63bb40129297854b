// May this request be answered? The table of doors, tokens and browsers.
#include "danelaw/admin/access.hpp"

#include <gtest/gtest.h>

namespace danelaw::admin {
namespace {

using config::Token;

const std::vector<Token> none;
const std::vector<Token> two = {{"looks-only-0123", Right::read}, {"does-all-4567", Right::admin}};

http::Request from(std::string peer, std::string method, std::vector<http::Header> headers) {
    http::Request r;
    r.method = std::move(method);
    r.target = "/api/status";
    r.peer = std::move(peer);
    r.headers = std::move(headers);
    return r;
}

int answer(const http::Request& request, const std::vector<Token>& tokens, Right needs, Door door = Door::api) {
    const auto why = refuse(request, tokens, door, needs);
    return why ? why->status : 200;
}

const http::Header json{"Content-Type", "application/json"};
const http::Header local{"Host", "127.0.0.1:8025"};

TEST(Access, UnixSocketIsGuardedByItsFile) {
    EXPECT_EQ(answer(from("", "POST", {json}), two, Right::admin), 200);
    EXPECT_EQ(answer(from("", "GET", {{"Host", "evil.example"}}), none, Right::read), 200); // no browser comes this way
}

TEST(Access, TokensSayWhatTheirHolderMay) {
    const auto with = [](std::string token, std::string method) {
        return from("192.0.2.1", std::move(method), {json, {"Authorization", "Bearer " + token}});
    };
    EXPECT_EQ(answer(from("192.0.2.1", "GET", {}), two, Right::read), 401);
    EXPECT_EQ(answer(with("looks-only-012", "GET"), two, Right::read), 401);
    EXPECT_EQ(answer(with("looks-only-01234", "GET"), two, Right::read), 401);
    EXPECT_EQ(answer(with("", "GET"), two, Right::read), 401);
    EXPECT_EQ(answer(with("looks-only-0123", "GET"), two, Right::read), 200);
    EXPECT_EQ(answer(with("looks-only-0123", "POST"), two, Right::admin), 403);
    EXPECT_EQ(answer(with("does-all-4567", "POST"), two, Right::admin), 200);
    EXPECT_EQ(answer(from("127.0.0.1", "GET", {{"Authorization", "Basic does-all-4567"}}), two, Right::read), 401);
    EXPECT_EQ(answer(from("127.0.0.1", "GET", {{"authorization", "bearer does-all-4567"}}), two, Right::admin), 200);
    EXPECT_EQ(answer(from("192.0.2.1", "GET", {}), two, Right::none, Door::open), 200);
    EXPECT_EQ(answer(from("192.0.2.1", "GET", {}), two, Right::none, Door::page), 200);
}

TEST(Access, WithoutATokenOnlyNamesThatDnsCannotTurn) {
    const auto host = [](std::string name) { return from("127.0.0.1", "GET", {{"Host", std::move(name)}}); };
    for (const char* good : {"127.0.0.1:8025", "[::1]:8025", "localhost:8025", "LOCALHOST", "127.0.0.1"})
        EXPECT_EQ(answer(host(good), none, Right::admin), 200) << good;
    for (const char* bad :
         {"evil.example", "evil.example:8025", "127.0.0.1.evil.example", "localhost.evil.example", ""})
        EXPECT_EQ(answer(host(bad), none, Right::admin), 403) << bad;
    EXPECT_EQ(answer(host("evil.example"), none, Right::none, Door::page), 403);
    EXPECT_EQ(answer(from("127.0.0.1", "GET", {}), none, Right::admin), 200); // no browser
}

TEST(Access, AForeignPageCannotUseTheOperatorsBrowser) {
    const auto post = [](std::vector<http::Header> more) {
        more.push_back(json);
        more.push_back(local);
        return from("127.0.0.1", "POST", std::move(more));
    };
    EXPECT_EQ(
        answer(post({{"Origin", "http://127.0.0.1:8025"}, {"Sec-Fetch-Site", "same-origin"}}), none, Right::admin),
        200);
    EXPECT_EQ(answer(post({{"Origin", "https://127.0.0.1:8025"}}), none, Right::admin), 200); // TLS ends at a proxy
    EXPECT_EQ(answer(post({{"Origin", "https://evil.example"}}), none, Right::admin), 403);
    EXPECT_EQ(answer(post({{"Origin", "http://127.0.0.1:9999"}}), none, Right::admin), 403);
    EXPECT_EQ(answer(post({{"Origin", "null"}}), none, Right::admin), 403);
    EXPECT_EQ(answer(post({{"Sec-Fetch-Site", "cross-site"}}), none, Right::admin), 403);
    EXPECT_EQ(answer(post({{"Sec-Fetch-Site", "same-site"}}), none, Right::admin), 403);
    // A link to the page is no harm.
    EXPECT_EQ(
        answer(from("127.0.0.1", "GET", {local, {"Sec-Fetch-Site", "cross-site"}}), none, Right::none, Door::page),
        200);
}

TEST(Access, FormsCannotSpeakJson) {
    for (const char* type : {"text/plain", "application/x-www-form-urlencoded", "multipart/form-data",
                             "application/jsonp", "text/plain; application/json"})
        EXPECT_EQ(answer(from("127.0.0.1", "POST", {local, {"Content-Type", type}}), none, Right::admin), 415) << type;
    EXPECT_EQ(answer(from("127.0.0.1", "POST", {local}), none, Right::admin), 415);
    for (const char* type : {"application/json", "Application/JSON; charset=utf-8"})
        EXPECT_EQ(answer(from("127.0.0.1", "POST", {local, {"Content-Type", type}}), none, Right::admin), 200) << type;
}

} // namespace
} // namespace danelaw::admin
