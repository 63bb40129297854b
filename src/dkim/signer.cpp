// Keys, and the message's way through libopendkim, or Ed25519Signature: fields as they stand, then the body as it
// comes.
#include "danelaw/dkim/signer.hpp"

#include "ed25519_signature.hpp"

#include "danelaw/base/limits.hpp"
#include "danelaw/base/text.hpp"
#include "danelaw/dns/name.hpp"
#include "danelaw/message/mime.hpp"
#include "danelaw/smtp/address.hpp"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <optional>
#include <sstream>

#define _Bool bool // libopendkim's header is C NOLINT(bugprone-reserved-identifier)
#include <opendkim/dkim.h>
#undef _Bool

namespace danelaw::dkim {
namespace {

struct Key {
    std::string domain, selector, pem;
    PrivateKey ed25519; // nullptr: an RSA key
};

// What is signed where it stands (RFC 6376 5.4.1; TR-044). Trace fields are not: relays add to them.
constexpr std::array signed_fields{"From",
                                   "To",
                                   "Subject",
                                   "Date",
                                   "Sender",
                                   "Reply-To",
                                   "Cc",
                                   "Message-ID",
                                   "In-Reply-To",
                                   "References",
                                   "MIME-Version",
                                   "Content-Type",
                                   "Content-Transfer-Encoding",
                                   "Content-Disposition",
                                   "Content-ID",
                                   "List-Id",
                                   "List-Post",
                                   "List-Unsubscribe",
                                   "List-Unsubscribe-Post",
                                   "Auto-Submitted",
                                   "TLS-Required",
                                   "TLS-Report-Domain",
                                   "TLS-Report-Submitter"};
// Signed once more than they stand, so that none can be added (RFC 6376 8.15).
constexpr std::array sealed_fields{"From", "To", "Subject", "Date"};

Result<Key> read_key(const KeySource& source) {
    std::ifstream in(source.private_key, std::ios::binary);
    std::ostringstream text;
    if (!in || !(text << in.rdbuf())) return fail(Errc::config, source.private_key + " can't be read or is empty");
    const auto domain = dns::Name::from(source.domain);
    if (!domain) return fail(Errc::config, source.domain + " is not a domain");
    Key key;
    key.domain = domain->text();
    key.selector = source.selector;
    key.pem = text.str();
    const std::unique_ptr<BIO, decltype(&BIO_free_all)> bio(
        BIO_new_mem_buf(key.pem.data(), static_cast<int>(key.pem.size())), &BIO_free_all);
    const PrivateKey read(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, const_cast<char*>("")), &EVP_PKEY_free);
    if (!read) return fail(Errc::config, source.private_key + " is not a private key in PEM, or needs a pass phrase");
    const int kind = EVP_PKEY_base_id(read.get());
    if (kind == EVP_PKEY_ED25519) {
        key.ed25519 = read;
    } else if (kind != EVP_PKEY_RSA) {
        return fail(Errc::config, source.private_key + ": DKIM knows RSA and Ed25519 keys only");
    } else if (EVP_PKEY_bits(read.get()) < 1024) { // RFC 8301 3.2
        return fail(Errc::config, source.private_key + ": RSA keys under 1024 bits are worth nothing");
    }
    return key;
}

} // namespace

struct Keys::Impl {
    Impl() = default;
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;
    ~Impl() {
        if (library != nullptr) dkim_close(library);
    }

    // The domain's own key, else its nearest parent's: of several the longest name.
    const Key* find(std::string_view domain) const {
        const auto name = dns::Name::from(domain);
        const Key* best = nullptr;
        for (const auto& key : keys) {
            const auto parent = dns::Name::from(key.domain);
            if (!name || !parent || !name->ends_with(*parent)) continue;
            if (best == nullptr || key.domain.size() > best->domain.size()) best = &key;
        }
        return best;
    }

    Result<void> open() {
        library = dkim_init(nullptr, nullptr);
        if (library == nullptr) return fail(Errc::config, "libopendkim can't be set up");
        std::vector<const char*> fields(signed_fields.begin(), signed_fields.end());
        std::vector<const char*> sealed(sealed_fields.begin(), sealed_fields.end());
        fields.push_back(nullptr);
        sealed.push_back(nullptr);
        const auto set = [this](dkim_opts_t option, std::vector<const char*>& list) {
            return dkim_options(library, DKIM_OP_SETOPT, option, static_cast<void*>(list.data()), sizeof(char**)) ==
                   DKIM_STAT_OK;
        };
        if (!set(DKIM_OPTS_SIGNHDRS, fields) || !set(DKIM_OPTS_OVERSIGNHDRS, sealed))
            return fail(Errc::config, "libopendkim refuses its options");
        return {};
    }

    std::vector<Key> keys;
    DKIM_LIB* library = nullptr;
};

Keys::Keys(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Keys::~Keys() = default;

bool Keys::empty() const {
    return impl_->keys.empty();
}
bool Keys::signs_for(std::string_view domain) const {
    return impl_->find(domain) != nullptr;
}

Result<std::shared_ptr<const Keys>> Keys::load(const std::vector<KeySource>& sources) {
    auto impl = std::make_unique<Impl>();
    for (const auto& source : sources) {
        auto key = read_key(source);
        if (!key) return fail(key.error());
        impl->keys.push_back(std::move(*key));
    }
    if (auto opened = impl->open(); !opened) return fail(opened.error());
    return std::make_shared<const Keys>(std::move(impl));
}

std::string from_domain(std::string_view value) {
    // The angle brackets outside quotes and comments, else the whole without comments.
    std::string bare, angle;
    int comment = 0, mailboxes = 1;
    bool quoted = false, in_angle = false, had_angle = false;
    for (std::size_t i = 0; i < value.size(); ++i) {
        const char c = value[i];
        std::string& out = in_angle ? angle : bare;
        if ((quoted || comment > 0) && c == '\\') {
            if (quoted) out += value.substr(i, 2);
            ++i;
        } else if (quoted) {
            quoted = c != '"';
            out += c;
        } else if (c == '(') {
            ++comment;
        } else if (c == ')' && comment > 0) {
            --comment;
        } else if (comment > 0) {
            continue;
        } else if (c == '"') {
            quoted = true;
            out += c;
        } else if (c == '<' && !in_angle) {
            in_angle = true;
            mailboxes += had_angle ? 1 : 0;
            had_angle = true;
        } else if (c == '>' && in_angle) {
            in_angle = false;
        } else if ((c == ',' || c == ';' || c == ':') && !in_angle) {
            ++mailboxes; // a list or a group: whose domain is meant is not clear
        } else {
            out += c;
        }
    }
    if (mailboxes != 1 || quoted || in_angle) return {};
    const auto mailbox = smtp::parse_mailbox(trim(had_angle ? angle : bare), smtp::Syntax::sloppy);
    if (!mailbox || mailbox->has_literal()) return {};
    const auto name = dns::Name::from(mailbox->domain);
    return name ? name->text() : std::string();
}

struct Signer::Impl {
    explicit Impl(std::shared_ptr<const Keys> k) : keys(std::move(k)) {}
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;
    ~Impl() {
        if (handle != nullptr) dkim_free(handle);
    }

    enum class At { header, body, nowhere }; // nowhere: this message gets no signature

    void feed(std::string_view octets) {
        if (at == At::body) return body(octets);
        if (at == At::nowhere) return;
        header += octets;
        if (header.starts_with("\r\n")) return give_up(); // no field at all
        const auto end = header.find("\r\n\r\n", looked > 3 ? looked - 3 : 0);
        looked = header.size();
        if (end == std::string::npos) {
            if (header.size() > limits::header_section) give_up();
            return;
        }
        const std::string rest = header.substr(end + 4);
        header.resize(end + 2);
        start();
        if (at == At::body) body(rest);
    }

    void give_up() {
        at = At::nowhere;
        header.clear();
    }

    void start() {
        const auto fields = unfolded_apart();
        const std::string* from = nullptr;
        for (const auto& field : fields) {
            if (!iequals(message::field_name(field), "From")) continue;
            if (from != nullptr) return give_up();
            from = &field;
        }
        if (from == nullptr) return give_up();
        const auto* key = keys->impl().find(from_domain(message::field_value(*from)));
        if (key == nullptr) return give_up();
        if (key->ed25519) {
            own.emplace(key->ed25519, key->domain, key->selector);
            own->header(fields, signed_fields, sealed_fields);
            header.clear();
            at = At::body;
            return;
        }
        DKIM_STAT status = DKIM_STAT_OK;
        const auto text = [](const std::string& s) { return reinterpret_cast<const unsigned char*>(s.c_str()); };
        const std::string id = "danelaw";
        handle = dkim_sign(keys->impl().library, text(id), nullptr, const_cast<dkim_sigkey_t>(text(key->pem)),
                           text(key->selector), text(key->domain), DKIM_CANON_RELAXED, DKIM_CANON_RELAXED,
                           DKIM_SIGN_RSASHA256, -1, &status);
        if (handle == nullptr) return broken("can't start");
        (void)dkim_set_margin(handle, 76);
        for (auto field : fields) {
            // What has no name is no field, and not signed.
            if (message::field_name(field).empty()) continue;
            if (dkim_header(handle, reinterpret_cast<unsigned char*>(field.data()), field.size()) != DKIM_STAT_OK)
                return broken("field");
        }
        if (dkim_eoh(handle) != DKIM_STAT_OK) return broken("header");
        header.clear();
        at = At::body;
    }

    // The header's fields without their last line ends.
    std::vector<std::string> unfolded_apart() const {
        std::vector<std::string> out;
        std::size_t begin = 0;
        while (begin < header.size()) {
            auto end = header.find("\r\n", begin);
            while (end != std::string::npos && end + 2 < header.size() &&
                   (header[end + 2] == ' ' || header[end + 2] == '\t'))
                end = header.find("\r\n", end + 2);
            end = std::min(end, header.size());
            out.push_back(header.substr(begin, end - begin));
            begin = end + 2;
        }
        return out;
    }

    void body(std::string_view octets) {
        if (octets.empty()) return;
        if (own) return own->body(octets);
        ended = octets.size() > 1 ? octets.ends_with("\r\n") : octets == "\n" && last == '\r';
        last = octets.back();
        std::string copy(octets); // the library's interface wants to write to it
        if (dkim_body(handle, reinterpret_cast<unsigned char*>(copy.data()), copy.size()) != DKIM_STAT_OK)
            broken("body");
    }

    void broken(std::string_view where) {
        const char* said = handle != nullptr ? dkim_geterror(handle) : nullptr;
        error = "DKIM: " + std::string(where) + (said != nullptr ? std::string(": ") + said : "");
        at = At::nowhere;
    }

    Result<std::string> finish() {
        if (at == At::header) { // a message without body: its header may lack the empty line
            if (!header.ends_with("\r\n")) header += "\r\n";
            start();
        }
        if (!error.empty()) return fail(Errc::io, error);
        if (at != At::body) return std::string();
        if (own) return own->finish();
        if (!ended)
            body("\r\n"); // canonical content ends so (RFC 6376 3.4.4); what came by BDAT may not, and is an error
        bool test = false;
        if (dkim_eom(handle, &test) != DKIM_STAT_OK) broken("end");
        unsigned char* value = nullptr;
        std::size_t length = 0;
        const auto first = sizeof "DKIM-Signature: " - 1;
        if (error.empty() && dkim_getsighdr_d(handle, first, &value, &length) != DKIM_STAT_OK) broken("signature");
        if (!error.empty()) return fail(Errc::io, error);
        return "DKIM-Signature: " + with_line_ends(std::string_view(reinterpret_cast<char*>(value), length)) + "\r\n";
    }

    static std::string with_line_ends(std::string_view text) {
        std::string out;
        for (std::size_t i = 0; i < text.size(); ++i) {
            if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) out += '\r';
            out += text[i];
        }
        return out;
    }

    std::shared_ptr<const Keys> keys;
    std::string header;
    std::size_t looked = 0;
    At at = At::header;
    DKIM* handle = nullptr;
    bool ended = true; // the body's last octets are CRLF, or there are none
    char last = 0;
    std::optional<Ed25519Signature> own;
    std::string error;
};

Signer::Signer(std::shared_ptr<const Keys> keys) : impl_(std::make_unique<Impl>(std::move(keys))) {}
Signer::Signer(Signer&&) noexcept = default;
Signer& Signer::operator=(Signer&&) noexcept = default;
Signer::~Signer() = default;

void Signer::feed(std::string_view octets) {
    impl_->feed(octets);
}
Result<std::string> Signer::finish() {
    return impl_->finish();
}

Result<std::string> sign(const std::shared_ptr<const Keys>& keys, std::string_view content) {
    Signer signer(keys);
    signer.feed(content);
    return signer.finish();
}

} // namespace danelaw::dkim
