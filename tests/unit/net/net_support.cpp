#include "net/net_support.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/this_coro.hpp>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <array>

namespace danelaw::net::testing {

using namespace boost::asio::experimental::awaitable_operators;

Task<Pair> connected_pair() {
    const auto executor = co_await boost::asio::this_coro::executor;
    auto listener = Listener::open(executor, "127.0.0.1:0");
    DANELAW_CHECK(listener.has_value());
    const auto port = listener->address().substr(listener->address().rfind(':') + 1);
    const Endpoint to{*IpAddress::parse("127.0.0.1"), static_cast<std::uint16_t>(std::stoi(port))};
    auto client = co_await connect(to, std::nullopt, soon());
    DANELAW_CHECK(client.has_value());
    auto server = co_await listener->accept();
    DANELAW_CHECK(server.has_value());
    co_return Pair{std::move(*client), std::move(*server)};
}

Task<std::string> read_exactly(Stream& from, std::size_t n) {
    std::string all;
    std::array<char, 20000> buffer;
    while (all.size() < n) {
        auto got = co_await from.read_some(buffer, soon());
        if (!got) break;
        all.append(buffer.data(), *got);
    }
    co_return all;
}

Task<Result<std::size_t>> read_one(Stream& from, Deadline deadline) {
    std::array<char, 16> buffer;
    co_return co_await from.read_some(buffer, deadline);
}

Task<bool> handshake(Pair& pair, TlsContexts& tls) {
    auto both = co_await (pair.client.start_tls(tls.client(), Stream::Side::client, soon()) &&
                          pair.server.start_tls(tls.server(), Stream::Side::server, soon()));
    co_return std::get<0>(both).has_value() && std::get<1>(both).has_value();
}

TlsContexts::TlsContexts()
    : client_context(SSL_CTX_new(TLS_client_method())), server_context(SSL_CTX_new(TLS_server_method())) {
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME* name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("mx.example"), -1, -1,
                               0);
    X509_set_issuer_name(certificate, name);
    X509_sign(certificate, key, EVP_sha256());
    SSL_CTX_use_certificate(server_context, certificate);
    SSL_CTX_use_PrivateKey(server_context, key);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

TlsContexts::~TlsContexts() {
    SSL_CTX_free(client_context);
    SSL_CTX_free(server_context);
}

} // namespace danelaw::net::testing
