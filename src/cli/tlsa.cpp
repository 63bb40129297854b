// `danelaw tlsa …`: records made and verified by the code that delivery uses (DANE-147).
#include "commands.hpp"

#include "danelaw/tls/client.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <fstream>
#include <sstream>

namespace danelaw::cli {
namespace {

namespace json = boost::json;

std::optional<std::string> slurp(const std::string& file, Console console) {
    std::ifstream in(file);
    std::stringstream all;
    if (in && (all << in.rdbuf())) return all.str();
    console.err << "danelaw: can't read " << file << "\n";
    return std::nullopt;
}

std::optional<dns::Tlsa> parse_record(const std::string& text) {
    std::istringstream in(text);
    unsigned usage = 256, selector = 256, matching = 256;
    if (!(in >> usage >> selector >> matching) || usage > 255 || selector > 255 || matching > 255) return std::nullopt;
    std::string digits;
    for (std::string part; in >> part;) digits += part;
    const auto data = unhex(digits);
    if (!data) return std::nullopt;
    dns::Tlsa record;
    record.usage = static_cast<std::uint8_t>(usage);
    record.selector = static_cast<std::uint8_t>(selector);
    record.matching = static_cast<std::uint8_t>(matching);
    record.data = *data;
    return record;
}

json::value matched_view(const std::optional<tls::Matched>& m) {
    if (!m) return nullptr;
    return json::object{{"usage", m->record.usage},
                        {"selector", m->record.selector},
                        {"matching", m->record.matching},
                        {"depth", m->depth}};
}

} // namespace

int tlsa_verify(const TlsaVerify& asked, Console console) {
    tls::OfflineRequest request;
    request.names = asked.names;
    for (const std::string& text : asked.records) {
        const auto record = parse_record(text);
        if (!record) {
            console.err << "danelaw: '" << printable(text, 100) << "' must read U S M HEX\n";
            return Exit::usage;
        }
        request.records.push_back(*record);
    }
    auto chain = slurp(asked.chain, console);
    if (!chain) return Exit::usage;
    request.chain_pem = std::move(*chain);
    if (asked.at) request.at = Time(Seconds(*asked.at));
    const auto outcome = tls::verify_offline(request);
    if (!outcome) {
        console.err << "danelaw: " << outcome.error().detail << "\n";
        return Exit::usage;
    }
    const std::string_view verdict = outcome->passed ? word(outcome->level) : "fail";
    if (asked.json) {
        const json::object answer{{"verdict", verdict},
                                  {"reason", word(outcome->reason)},
                                  {"text", outcome->text},
                                  {"matched", matched_view(outcome->matched)}};
        console.out << json::serialize(answer) << "\n";
    } else {
        console.out << verdict;
        if (outcome->matched)
            console.out << ": " << outcome->matched->record.text() << " at depth " << outcome->matched->depth;
        if (!outcome->passed) console.out << ": " << word(outcome->reason);
        if (!outcome->text.empty()) console.out << ": " << outcome->text;
        console.out << "\n";
    }
    return outcome->passed ? Exit::ok : Exit::no;
}

} // namespace danelaw::cli
