// One session to be counted for TLS reporting, as delivery saw it. Pure values. RFC 8460 4.2, 4.3; TR-010…TR-021.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace danelaw::tlsrpt {

enum class PolicyType { tlsa, sts, no_policy_found };
std::string_view word(PolicyType t); // "tlsa" "sts" "no-policy-found"

struct Session {
    std::string next_hop; // the domain whose rua gets the report (TR-011)
    PolicyType policy_type = PolicyType::no_policy_found;
    std::vector<std::string> policy_string; // tlsa: "3 1 1 HEX" per record; sts: the policy's lines; else empty
    std::string policy_domain;              // tlsa: the TLSA base; else the next-hop
    std::vector<std::string> mx_host;       // sts: the mx patterns
    // Empty: a success. Else a word of RFC 8460 4.3: "tlsa-invalid" …
    std::string result_type;
    std::string sending_ip, receiving_ip; // "" when no connection was made
    std::string receiving_mx_hostname, receiving_mx_helo;
    std::string failure_reason_code; // short text, ASCII
};

} // namespace danelaw::tlsrpt
