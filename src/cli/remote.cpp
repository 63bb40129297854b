// Asking the daemon. See remote.hpp.
#include "remote.hpp"

#include "danelaw/config/load.hpp"
#include "danelaw/config/tokens.hpp"
#include "danelaw/http/client.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace danelaw::cli {
namespace {

namespace json = boost::json;

constexpr auto patience = std::chrono::seconds(60);
constexpr auto patience_with_actions = std::chrono::hours(24); // on a million messages one takes its time
constexpr std::size_t answer_most = 256 * 1024 * 1024;         // our own daemon answers

// "unix:/path", "127.0.0.1:8025" or "[::1]:8025"; a bare path is a socket too.
std::optional<std::variant<Endpoint, http::UnixPath>> parse_address(const std::string& text) {
    if (text.starts_with("unix:")) return http::UnixPath{text.substr(5)};
    if (text.starts_with('/')) return http::UnixPath{text};
    constexpr std::string_view local = "localhost:";
    const auto endpoint = Endpoint::parse(text.starts_with(local) ? "127.0.0.1:" + text.substr(local.size()) : text);
    if (!endpoint || endpoint->port == 0) return std::nullopt;
    return *endpoint;
}

// Of several tokens the one that may do most; none where the file can't be read: the daemon says what it misses.
std::string strongest(const Result<std::vector<config::Token>>& tokens) {
    if (!tokens) return "";
    return std::ranges::max_element(*tokens, {}, &config::Token::right)->text;
}

void rethrow(const std::exception_ptr& bug) {
    if (bug) std::rethrow_exception(bug);
}

net::Task<void> fetch_into(http::ClientOptions options, http::Request request, Result<http::Response>& out) {
    out = co_await http::fetch(std::move(options), std::move(request));
}

} // namespace

Daemon::Daemon(const Remote& remote, Console console) : remote_(remote), console_(console) {}

bool Daemon::find_address() {
    std::string token_file = remote_.token_file;
    address_ = remote_.admin;
    const std::string file = remote_.config.empty() ? default_config : remote_.config;
    std::error_code ignored;
    const bool read = !remote_.config.empty() || (remote_.admin.empty() && std::filesystem::exists(file, ignored));
    if (read) {
        const config::Loaded loaded = config::load(file, SystemClock().now());
        // A file with faults elsewhere still says where the daemon listens; one that can't be read does not.
        if (!loaded.valid() && !std::ifstream(file)) {
            console_.err << config::text(file, loaded.problems.front()) << "\n";
            return false;
        }
        if (address_.empty()) address_ = loaded.settings.admin.address;
        if (token_file.empty()) token_file = loaded.settings.admin.token_file;
    }
    if (address_.empty()) address_ = config::AdminSettings{}.address;
    if (!token_file.empty()) token_ = strongest(config::read_tokens(token_file));
    return true;
}

Answer Daemon::ask(http::Request request, Missing missing) {
    Answer answer;
    if (address_.empty() && !find_address()) {
        answer.exit = Exit::usage;
        return answer;
    }
    const auto to = parse_address(address_);
    if (!to) {
        console_.err << "danelaw: '" << printable(address_, 100) << "' is not an admin address\n";
        answer.exit = Exit::usage;
        return answer;
    }
    http::ClientOptions options;
    options.to = *to;
    options.host = "localhost";
    options.deadline = net::deadline_after(request.method == "POST" ? Millis(patience_with_actions) : Millis(patience));
    options.max_body = answer_most;
    if (!token_.empty()) request.headers.push_back({"Authorization", "Bearer " + token_});
    Result<http::Response> response = fail(Errc::io, "no answer");
    boost::asio::io_context io(1);
    boost::asio::co_spawn(io, fetch_into(std::move(options), std::move(request), response), rethrow);
    io.run();
    if (!response) {
        console_.err << "danelaw: can't reach the daemon at " << address_ << ": " << response.error().detail << "\n";
        answer.exit = Exit::unreachable;
        return answer;
    }
    answer.response = std::move(*response);
    boost::system::error_code wrong;
    answer.json = json::parse(answer.response.body, wrong);
    if (answer.response.status == 200) return answer;
    if (answer.response.status == 404 && missing == Missing::expected) return answer;
    const json::object* o = answer.json.if_object();
    const json::value* why = o == nullptr ? nullptr : o->if_contains("error");
    console_.err << "danelaw: "
                 << (why != nullptr && why->is_string()
                         ? printable(std::string_view(why->get_string()))
                         : "the daemon answered " + std::to_string(answer.response.status))
                 << "\n";
    const int status = answer.response.status;
    answer.exit = status == 400 || status == 401 || status == 403 ? Exit::usage : Exit::no;
    return answer;
}

Answer Daemon::get(const std::string& target, Missing missing) {
    http::Request request;
    request.target = target;
    return ask(std::move(request), missing);
}

Answer Daemon::post(const std::string& target, const json::value& body) {
    http::Request request;
    request.method = "POST";
    request.target = target;
    request.headers.push_back({"Content-Type", "application/json"});
    request.body = json::serialize(body);
    return ask(std::move(request));
}

} // namespace danelaw::cli
