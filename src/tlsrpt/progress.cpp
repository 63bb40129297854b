// The steps of a report's life.
#include "danelaw/tlsrpt/progress.hpp"

#include "digest.hpp"

#include "danelaw/tlsrpt/tally.hpp"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace danelaw::tlsrpt {
namespace {

namespace json = boost::json;

constexpr Millis settle = std::chrono::minutes(5); // relays write what they counted
constexpr Millis spread = std::chrono::hours(4) - settle;
constexpr Millis first_pause = std::chrono::minutes(5), longest_pause = std::chrono::hours(4);
constexpr Millis kept = std::chrono::hours(24 * 8); // counters, for `tlsrpt show`

constexpr std::array phases{Phase::waiting, Phase::mailed, Phase::sent, Phase::dropped, Phase::unwanted};

Time end_of(std::string_view day) {
    const auto start = parse_day(day);
    return start ? Time(*start) + std::chrono::hours(24) : Time{};
}

std::string text_of(const json::object& all, std::string_view name) {
    const auto* value = all.if_contains(name);
    return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

std::optional<Time> time_of(const json::object& all, std::string_view name) {
    return parse_rfc3339(text_of(all, name));
}

} // namespace

std::string_view word(Phase p) {
    switch (p) {
    case Phase::waiting: return "waiting";
    case Phase::mailed: return "mailed";
    case Phase::sent: return "sent";
    case Phase::dropped: return "dropped";
    case Phase::unwanted: return "unwanted";
    }
    return "?";
}

std::string to_text(const Progress& progress) {
    json::object out;
    out["phase"] = word(progress.phase);
    if (progress.first) out["first"] = rfc3339(*progress.first);
    out["next"] = rfc3339(progress.next);
    out["tries"] = progress.tries;
    out["to"] = progress.to;
    out["message"] = progress.message;
    out["queued"] = progress.queued;
    json::array refused;
    for (const auto& one : progress.refused) refused.emplace_back(one);
    out["refused"] = std::move(refused);
    out["text"] = progress.text;
    return json::serialize(out);
}

Progress progress_from(std::string_view text) {
    Progress out;
    boost::system::error_code broken;
    const auto value = json::parse(text, broken);
    if (broken || !value.is_object()) return out;
    const auto& all = value.as_object();
    for (const auto phase : phases)
        if (text_of(all, "phase") == word(phase)) out.phase = phase;
    out.first = time_of(all, "first");
    out.next = time_of(all, "next").value_or(Time{});
    if (const auto* tries = all.if_contains("tries"); tries != nullptr && tries->is_int64())
        out.tries = static_cast<std::uint32_t>(std::clamp<std::int64_t>(tries->as_int64(), 0, 1000));
    out.to = text_of(all, "to");
    out.message = text_of(all, "message");
    if (const auto* queued = all.if_contains("queued")) out.queued = queued->is_bool() && queued->as_bool();
    if (const auto* refused = all.if_contains("refused"); refused != nullptr && refused->is_array())
        for (const auto& one : refused->as_array())
            if (one.is_string()) out.refused.emplace_back(one.as_string());
    out.text = text_of(all, "text");
    return out;
}

Time due(std::string_view day, std::string_view domain) {
    const auto hash = sha256(std::string(day) + ' ' + std::string(domain));
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < 8; ++i) number = number << 8 | static_cast<unsigned char>(hash[i]);
    return end_of(day) + settle +
           Millis{static_cast<std::int64_t>(number % static_cast<std::uint64_t>(spread.count()))};
}

Step step(const Progress& progress, std::string_view day, std::string_view domain, Time now) {
    if (progress.over()) return now >= end_of(day) + kept ? Step::forget : Step::wait;
    const bool tired = progress.first && now - *progress.first >= patience;
    if (progress.phase == Phase::mailed) return tired ? Step::give_up : Step::follow;
    if (now < due(day, domain)) return Step::wait;
    if (tired || now >= end_of(day) + kept) return Step::give_up;
    return now < progress.next ? Step::wait : Step::send;
}

Time next_try(std::uint32_t tries, Time now) {
    auto pause = first_pause;
    for (std::uint32_t i = 1; i < tries && pause < longest_pause; ++i) pause *= 2;
    return now + std::min(pause, longest_pause);
}

} // namespace danelaw::tlsrpt
