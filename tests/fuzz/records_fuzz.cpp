// MTA-STS records and policies, TLS-report records and addresses, from anybody's zone or web host (MS-003, MS-020,
// TR-001, TR-048).
#include "danelaw/base/text.hpp"
#include "danelaw/sts/cache.hpp"
#include "danelaw/sts/policy.hpp"
#include "danelaw/sts/record.hpp"
#include "danelaw/tlsrpt/record.hpp"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace danelaw;
    const std::string text(reinterpret_cast<const char*>(data), size);
    (void)sts::find_record({text});
    (void)sts::cached_from(text);
    const auto host = *dns::Name::from("mx.ex.test");
    if (const auto policy = sts::parse_policy(text)) {
        if (policy->max_age.count() < 0 || policy->max_age.count() > 31'557'600) std::abort();
        if (policy->mode != sts::Mode::none && policy->mx.empty()) std::abort();
        for (const auto& pattern : policy->mx)
            if (!is_ascii(pattern) || pattern != lower(pattern)) std::abort();
        (void)sts::matches(*policy, host);
    }
    for (const auto& to : tlsrpt::destinations({"v=TLSRPTv1; rua=" + text})) {
        (void)to;
    }
    (void)tlsrpt::find_record({text});
    (void)tlsrpt::destination(text);
    return 0;
}
