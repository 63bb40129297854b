// One transaction over a real socket with a scripted server, and what came of it.
#pragma once

#include "danelaw/delivery/transaction.hpp"

#include "delivery/scripted_peer.hpp"

#include <optional>
#include <string>

namespace danelaw::delivery::test {

struct Run {
    std::optional<ChannelFailure> no_channel;
    std::optional<policy::TlsFinding> finding; // of the channel, or of its failure
    TransactionResult result;
    test::Seen seen;
    Verdict of(std::size_t n) const { return result.recipients.at(n).verdict; }
    bool any(Verdict v) const {
        for (const auto& r : result.recipients)
            if (r.verdict == v) return true;
        return false;
    }
};

struct Case {
    Script script;
    std::size_t recipients = 1;
    std::string content = "Subject: x\r\n\r\n.dot\r\n";
    dane::Requirement requirement = dane::Requirement::none;
    ChannelRules::Protection protection = ChannelRules::Protection::as_planned;
    bool clear_after_failed_tls = false;
    Bytes missing = 0; // octets that the store no longer has
    bool binary = false;
    bool damaged = false; // the store fails where the content should end
};

// `fail_step` of the script meets `fault`.
Run play(const Case& c, std::size_t fail_step = static_cast<std::size_t>(-1), Fault fault = Fault::none);

} // namespace danelaw::delivery::test
