// TXT records of TLS reporting, as right and as wrong as they come (TR-001, TR-002, TR-048; H150).
#include "danelaw/tlsrpt/record.hpp"

#include <gtest/gtest.h>

namespace danelaw::tlsrpt {
namespace {

std::string joined(const std::vector<std::string>& texts) {
    std::string out;
    for (const auto& one : destinations(texts)) out += (out.empty() ? "" : " ") + one.text();
    return out;
}

TEST(Destinations, Table) {
    struct {
        const char* name;
        std::vector<std::string> texts;
        const char* want; // URIs; "" no reports
    } const rows[] = {
        {"TR-001 none", {}, ""},
        {"TR-001 one", {"v=TLSRPTv1; rua=mailto:r@a.test"}, "mailto:r@a.test"},
        {"TR-001 two are none (H150)", {"v=TLSRPTv1; rua=mailto:r@a.test", "v=TLSRPTv1; rua=mailto:q@a.test"}, ""},
        {"TR-001 beside foreign ones", {"v=spf1 -all", "v=TLSRPTv1;rua=mailto:r@a.test;"}, "mailto:r@a.test"},
        {"TR-001 blanks before the first delimiter", {"v=TLSRPTv1 ; rua=mailto:r@a.test"}, "mailto:r@a.test"},
        {"TR-001 version in other letters", {"v=tlsrptv1; rua=mailto:r@a.test"}, ""},
        {"TR-001 longer version", {"v=TLSRPTv12; rua=mailto:r@a.test"}, ""},
        {"TR-002 no rua", {"v=TLSRPTv1;"}, ""},
        {"TR-002 version alone", {"v=TLSRPTv1"}, ""},
        {"TR-002 empty rua", {"v=TLSRPTv1; rua="}, ""},
        {"TR-002 list with blanks",
         {"v=TLSRPTv1; rua=mailto:r@a.test , https://b.test/x"},
         "mailto:r@a.test https://b.test/x"},
        {"TR-002 other schemes (H150)",
         {"v=TLSRPTv1; rua=ftp://a.test/,http://a.test/,mailto:r@a.test"},
         "mailto:r@a.test"},
        {"TR-002 unknown fields", {"v=TLSRPTv1; x=y; rua=mailto:r@a.test; z=1"}, "mailto:r@a.test"},
        {"TR-002 escapes in an address", {"v=TLSRPTv1; rua=mailto:a%21b@a.test"}, "mailto:a!b@a.test"},
        {"TR-002 escapes in a path", {"v=TLSRPTv1; rua=https://a.test/x%2Cy%3bz%20w"}, "https://a.test/x,y;z%20w"},
        {"TR-002 broken escape", {"v=TLSRPTv1; rua=mailto:a%2@a.test"}, ""},
        {"TR-002 an escape at the very end", {"v=TLSRPTv1; rua=mailto:a@a.test%2"}, ""},
        {"H150 DMARC's size", {"v=TLSRPTv1; rua=mailto:r@a.test!10m"}, "mailto:r@a.test"},
        {"TR-048 no header from the query", {"v=TLSRPTv1; rua=mailto:r@a.test?bcc=c@c.test"}, "mailto:r@a.test"},
        {"TR-048 no header by line ends", {"v=TLSRPTv1; rua=mailto:r%0d%0aBcc:x@a.test"}, ""},
        {"TR-048 no mailbox", {"v=TLSRPTv1; rua=mailto:a.test"}, ""},
        {"TR-048 address literal", {"v=TLSRPTv1; rua=mailto:r@[192.0.2.1]"}, ""},
        {"TR-048 at most five",
         {"v=TLSRPTv1; rua=mailto:1@a.test,mailto:2@a.test,mailto:3@a.test,mailto:4@a.test,mailto:5@a.test,"
          "mailto:6@a.test"},
         "mailto:1@a.test mailto:2@a.test mailto:3@a.test mailto:4@a.test mailto:5@a.test"},
        {"the same twice", {"v=TLSRPTv1; rua=mailto:r@a.test,mailto:r@a.test"}, "mailto:r@a.test"},
        {"scheme in other letters",
         {"v=TLSRPTv1; rua=MAILTO:r@a.test,HTTPS://A.test"},
         "mailto:r@a.test https://a.test/"},
        {"port, query, fragment", {"v=TLSRPTv1; rua=https://a.test:8443/x?y=z#f"}, "https://a.test:8443/x?y=z"},
        {"query without path", {"v=TLSRPTv1; rua=https://a.test?y"}, "https://a.test/?y"},
        {"user in the URL", {"v=TLSRPTv1; rua=https://u:p@a.test/"}, ""},
        {"port that is none", {"v=TLSRPTv1; rua=https://a.test:0/,https://a.test:x/"}, ""},
        {"first rua counts", {"v=TLSRPTv1; rua=mailto:r@a.test; rua=mailto:q@a.test"}, "mailto:r@a.test"},
    };
    for (const auto& row : rows) EXPECT_EQ(joined(row.texts), row.want) << row.name;
}

} // namespace
} // namespace danelaw::tlsrpt
