// A day's report for one destination: its JSON, its file name, and the mail around it. Pure.
// RFC 8460 4.4, 5.1, 5.3 with erratum 6241; RFC 7493; TR-030…TR-033, TR-042…TR-045, TR-047, TR-049.
#pragma once

#include "danelaw/tlsrpt/tally.hpp"

#include <boost/json/object.hpp>

namespace danelaw::tlsrpt {

// Who reports.
struct Submitter {
    std::string organization, contact; // contact: a mailbox; its domain is the submitter (TR-032)
    std::string hostname;              // tells relays apart that don't share a queue (TR-020)
    std::string domain() const;        // A-labels
};

// Both are the same for every try, so that a receiver sees a repetition for what it is (TR-047).
std::string report_id(const Submitter& who, const std::string& day, const std::string& domain);
std::string file_name(const Submitter& who, const std::string& day, const std::string& domain); // "….json.gz"

// `counted` holds groups of this day and domain; equal ones are added up.
boost::json::object document(const Submitter& who, const std::string& day, const std::string& domain,
                             const std::vector<Counted>& counted, const Policies& policies);

struct MailFacts {
    std::string from, to;
    std::string message_id; // with its brackets
    Time now{};
    std::string day, domain;
    std::string compressed; // the report, gzip
};
// Header and body, without a signature. All lines are short and ASCII.
std::string compose_mail(const Submitter& who, const MailFacts& facts);

} // namespace danelaw::tlsrpt
