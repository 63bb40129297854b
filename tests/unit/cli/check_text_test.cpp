// The page of `danelaw check`, to the letter: what an operator reads is made of the JSON and of nothing else.
#include "../../../src/cli/commands.hpp"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

#include <sstream>

namespace danelaw::cli {
namespace {

std::string page(const char* text) {
    std::ostringstream out;
    render_check(out, boost::json::parse(text).as_object());
    return out.str();
}

TEST(CheckPage, TwoHostsTwoCertificates) { // DANE-130, H74
    EXPECT_EQ(page(R"json({
      "domain": "ex.test", "policy": "dane", "policy_note": "agreed in May", "at": "2026-11-25T12:00:00.000Z",
      "mx": {"status": "secure", "null_mx": false, "ttl_s": 300,
             "records": [{"preference": 10, "exchange": "mx.ex.test"}, {"preference": 20, "exchange": "b.ex.test"}]},
      "mta_sts": {"announced": true, "mode": "enforce", "mx": ["mx.ex.test", "*.ex.test"], "max_age": 86400},
      "hosts": [
        {"name": "mx.ex.test", "preference": 10, "port": 25, "address_status": "secure", "a_status": "secure",
         "aaaa_status": "absent", "address_ttl_s": 60, "addresses": ["192.0.2.1"],
         "tlsa_base": "mx.ex.test", "tlsa_status": "secure",
         "tlsa_lookups": [{"base": "mx.ex.test", "status": "secure", "ttl_s": 3600}],
         "tlsa": [{"usage": 3, "selector": 1, "matching": 1, "data": "aa11", "usable": true},
                  {"usage": 1, "selector": 1, "matching": 1, "data": "bb22", "usable": false, "why": "usage 1 is none for SMTP"}],
         "requirement": "dane", "reason": "", "why": "secure TLSA at mx.ex.test", "secured": true,
         "reference_names": ["mx.ex.test", "ex.test"],
         "probes": [{"address": "192.0.2.1", "starttls": true, "protocol": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384",
                     "level": "dane-ee", "verdict": "ok", "reason": "", "text": "",
                     "matched": {"usage": 3, "selector": 1, "matching": 1, "depth": 0},
                     "chain": [], "ecdsa": "passes", "rsa": "fails", "covered": "ecdsa",
                     "keys": {
                       "ecdsa": {"result": "passes", "level": "dane-ee", "reason": "",
                         "certificate": {"subject": "CN=mx", "issuer": "CN=ca", "key": "EC P-256", "names": ["mx.ex.test"],
                           "not_before": "2026-11-01T00:00:00.000Z", "not_after": "2026-12-01T00:00:00.000Z",
                           "spki_sha256": "aa11", "cert_sha256": "cc33"}},
                       "rsa": {"result": "fails", "level": "none", "reason": "tlsa-invalid", "text": "no record fits",
                         "certificate": {"subject": "CN=mx", "issuer": "CN=ca", "key": "RSA 2048", "names": [],
                           "not_before": "2026-10-01T00:00:00.000Z", "not_after": "2026-11-01T00:00:00.000Z",
                           "spki_sha256": "dd44", "cert_sha256": "ee55"}}}}]},
        {"name": "b.ex.test", "preference": 20, "port": 25, "address_status": "insecure", "a_status": "insecure",
         "aaaa_status": "absent", "address_ttl_s": 60, "canonical": "node.cloud.test", "alias_status": "secure",
         "addresses": ["192.0.2.2"], "tlsa_base": "b.ex.test", "tlsa_status": "bogus",
         "tlsa_lookups": [{"base": "b.ex.test", "status": "bogus", "ttl_s": 0, "why": "signature expired"}],
         "tlsa": [], "requirement": "skip", "reason": "dnssec-invalid", "why": "TLSA of b.ex.test failed validation",
         "secured": false, "reference_names": [], "probes": []}],
      "notes": ["a note"], "advice": ["mx.ex.test: do this"], "hints": ["ex.test: do that"],
      "verdict": "deliver", "level": "dane-ee", "reason": "", "text": "mail would go to mx.ex.test at [192.0.2.1]:25"})json"),
              R"(ex.test: mail would be delivered, dane-ee
  mail would go to mx.ex.test at [192.0.2.1]:25

  policy     dane (agreed in May)
  MX         secure, TTL 300 s
  MTA-STS    enforce for mx.ex.test, *.ex.test

  pref  host        MX      address   TLSA                   requires  result
  10    mx.ex.test  secure  secure    secure, 1 of 2 usable  dane      ok, dane-ee
  20    b.ex.test   secure  insecure  bogus                  skip      dnssec-invalid

mx.ex.test
  address    192.0.2.1  (A secure, AAAA absent, TTL 60 s)
  TLSA       secure at _25._tcp.mx.ex.test, TTL 3600 s
               3 1 1 aa11
               1 1 1 bb22  not usable: usage 1 is none for SMTP
  requires   dane: secure TLSA at mx.ex.test
  names      mx.ex.test or ex.test
  192.0.2.1  ok, dane-ee over TLSv1.3 TLS_AES_256_GCM_SHA384, matched 3 1 1 at depth 0
             with ECDSA passes, dane-ee
               CN=mx, EC P-256, 2026-11-01 to 2026-12-01 (5 days left), by CN=ca
               names mx.ex.test
               3 1 1 aa11
             with RSA FAILS, tlsa-invalid: no record fits
               CN=mx, RSA 2048, 2026-10-01 to 2026-11-01 (ENDED), by CN=ca
               names none in DNS form
               3 1 1 dd44

b.ex.test
  address    192.0.2.2  (A insecure, AAAA absent, TTL 60 s)
  alias of   node.cloud.test  (the alias itself is secure)
  TLSA       bogus at _25._tcp.b.ex.test: signature expired
  requires   not to be used, dnssec-invalid: TLSA of b.ex.test failed validation

What the remote should fix
  - mx.ex.test: do this

What could be better
  - ex.test: do that

Notes
  - a note
)");
}

TEST(CheckPage, ChainOfATrustAnchor) {
    const std::string shown = page(R"json({
      "domain": "ex.test", "policy": "dane", "at": "2026-11-25T12:00:00.000Z",
      "mx": {"status": "absent", "null_mx": false, "ttl_s": 5}, "mta_sts": {"announced": false},
      "hosts": [
        {"name": "ex.test", "preference": 0, "port": 25, "address_status": "secure", "addresses": ["2001:db8::1"],
         "tlsa_status": "secure", "tlsa": [], "requirement": "dane", "secured": false, "reference_names": ["ex.test"],
         "probes": [{"address": "2001:db8::1", "verdict": "fail", "reason": "certificate-host-mismatch",
                     "text": "needs ex.test",
                     "chain": [{"subject": "CN=mx", "issuer": "CN=ca", "key": "EC P-256", "names": ["a.test", "b.test"],
                                "not_before": "2026-11-01T00:00:00.000Z", "not_after": "2026-12-01T00:00:00.000Z",
                                "spki_sha256": "aa11", "cert_sha256": "cc33"},
                               {"subject": "CN=ca", "issuer": "CN=ca", "key": "EC P-256", "names": [],
                                "not_before": "2026-11-01T00:00:00.000Z", "not_after": "2036-12-01T00:00:00.000Z",
                                "spki_sha256": "dd44", "cert_sha256": "ee55"}]}]}],
      "notes": [], "advice": [], "hints": [],
      "verdict": "defer", "level": "none", "reason": "certificate-host-mismatch", "text": "ex.test: needs ex.test"})json");
    for (const char* piece :
         {"ex.test: mail would be deferred, certificate-host-mismatch\n  ex.test: needs ex.test\n",
          "  MX         absent, TTL 5 s: the domain's own address stands for it\n",
          "  2001:db8::1 FAILS, certificate-host-mismatch: needs ex.test\n", "               names a.test, b.test\n",
          "               above it CN=ca, EC P-256, 2026-11-01 to 2036-12-01 (3658 days left)\n",
          "               2 0 1 ee55\n", "requires   dane, behind an MX that is not secure\n"})
        EXPECT_NE(shown.find(piece), std::string::npos) << piece << "\n" << shown;
    EXPECT_EQ(shown.find("What"), std::string::npos) << shown;
}

TEST(CheckPage, NothingToTry) {
    EXPECT_EQ(page(R"json({
      "domain": "ex.test", "policy": "dane", "mx": {"status": "secure", "null_mx": true, "ttl_s": 300, "records": []},
      "mta_sts": {"announced": true, "reason": "sts-policy-fetch-error", "text": "404"}, "hosts": [],
      "verdict": "bounce", "level": "none", "reason": "no-mail-service", "text": "domain ex.test accepts no mail (null MX)"})json"),
              R"(ex.test: mail would be bounced, no-mail-service
  domain ex.test accepts no mail (null MX)

  policy     dane
  MX         secure, TTL 300 s: the domain takes no mail (null MX)
  MTA-STS    announced, and no policy to be had: sts-policy-fetch-error: 404
)");
}

TEST(CheckPage, WhatPeersSayStaysOnItsLine) { // DANE-A21
    const std::string shown = page(R"json({
      "domain": "ex.test", "policy": "dane", "mx": {"status": "secure", "null_mx": false}, "hosts": [],
      "verdict": "defer", "reason": "dns-error", "text": "a\u001b[2Jb\nc", "advice": ["x\ny"]})json");
    EXPECT_NE(shown.find("  a\\x1b[2Jb\\x0ac\n"), std::string::npos) << shown;
    EXPECT_NE(shown.find("  - x\\x0ay\n"), std::string::npos) << shown;
}

} // namespace
} // namespace danelaw::cli
