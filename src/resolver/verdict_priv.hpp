// What a result of libunbound means: secure, insecure, bogus or failed (DANE-002, DANE-004). Private to resolver.
#pragma once

#include "danelaw/dns/answer.hpp"

#include <string>
#include <vector>

struct ub_result;

namespace danelaw::resolver {

// A result as plain values: what it says, before its records are read.
struct Raw {
    dns::Status status = dns::Status::error;
    dns::Absence absence = dns::Absence::none;
    std::vector<std::string> rdata;
    std::string canonical; // "" when no alias was followed
    Seconds ttl{0};
    std::string why;
};

Raw failed_lookup(std::string why);
Raw read_result(int code, const ub_result* result);

// The records read: one that is malformed makes the whole lookup a failure.
template <class T, class Parse> dns::Answer<T> decode(const dns::Name& asked, const Raw& raw, Parse parse) {
    dns::Answer<T> answer;
    answer.why = raw.why;
    answer.canonical = asked;
    if (raw.status == dns::Status::bogus) answer.status = dns::Status::bogus;
    if (raw.status == dns::Status::bogus || raw.status == dns::Status::error) return answer;
    if (!raw.canonical.empty()) {
        auto canonical = dns::Name::from(raw.canonical);
        if (!canonical) {
            answer.why = "an alias leads to a name that is none";
            return answer;
        }
        answer.aliased = *canonical != asked;
        answer.canonical = std::move(*canonical);
    }
    for (const auto& rdata : raw.rdata) {
        auto record = parse(rdata);
        if (!record) {
            answer.records.clear();
            answer.why = "a malformed record";
            return answer;
        }
        answer.records.push_back(std::move(*record));
    }
    answer.status = raw.status;
    answer.absence = raw.absence;
    answer.ttl = raw.ttl;
    return answer;
}

} // namespace danelaw::resolver
