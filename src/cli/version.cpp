// `danelaw version`: our version, and those of the libraries that are linked now, not those of build time.
#include "commands.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/version.hpp>
#include <libpq-fe.h>
#include <openssl/crypto.h>
#include <sqlite3.h>
#include <unbound.h>

namespace danelaw::cli {
namespace {

std::string pq_version() {
    const int v = ::PQlibVersion();
    return std::to_string(v / 10000) + "." + std::to_string(v % 10000);
}

} // namespace

int version(bool as_json, Console console) {
    const boost::json::object libraries{{"openssl", ::OpenSSL_version(OPENSSL_VERSION_STRING)},
                                        {"unbound", ::ub_version()},
                                        {"sqlite", ::sqlite3_libversion()},
                                        {"libpq", pq_version()},
                                        {"boost", BOOST_LIB_VERSION}};
    if (as_json) {
        const boost::json::object answer{{"version", DANELAW_VERSION}, {"libraries", libraries}};
        console.out << boost::json::serialize(answer) << "\n";
        return Exit::ok;
    }
    console.out << "danelaw " DANELAW_VERSION "\n";
    for (const auto& l : libraries) {
        console.out << "  " << l.key() << " " << std::string_view(l.value().as_string()) << "\n";
    }
    return Exit::ok;
}

} // namespace danelaw::cli
