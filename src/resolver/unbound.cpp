// Lookups by libunbound. The library works in a thread of its own and makes a descriptor readable when answers are
// there; all else happens on the io thread: asking, taking answers, cancelling. So nothing here needs a lock.
#include "unbound_config_priv.hpp"
#include "verdict_priv.hpp"

#include "danelaw/net/wakeup.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>

#include <algorithm>
#include <cerrno>
#include <map>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unbound.h>
#include <unistd.h>
#include <unordered_set>
#include <utility>

namespace danelaw::resolver {

namespace asio = boost::asio;

namespace {

struct DeleteContext {
    void operator()(ub_ctx* context) const { ub_ctx_delete(context); }
};
using Context = std::unique_ptr<ub_ctx, DeleteContext>;

std::unexpected<Error> refused(std::string_view what, int code) {
    return fail(Errc::dns, std::string(what) + ": " + ub_strerror(code));
}

// -- the machine --------------------------------------------------------------------------------------

// Is there a route to the IPv6 internet? Connecting a datagram socket sends nothing.
bool has_ipv6_route() {
    const int fd = ::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    const auto root_server = IpAddress::parse("2001:500:2::c").value();
    sockaddr_in6 to{};
    to.sin6_family = AF_INET6;
    to.sin6_port = htons(53);
    std::ranges::copy(root_server.octets, to.sin6_addr.s6_addr);
    const bool routed = ::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
    ::close(fd);
    return routed;
}

bool names_ipv6_server(const Options& options) {
    const auto v6 = [](const std::string& server) { return std::ranges::count(server, ':') > 1; };
    if (std::ranges::any_of(options.forwarders, v6)) return true;
    const auto stub_v6 = [&](const Options::Stub& stub) { return std::ranges::any_of(stub.servers, v6); };
    return std::ranges::any_of(options.stub_zones, stub_v6);
}

Machine this_machine(const Options& options) {
    Machine machine;
    machine.ipv6 = names_ipv6_server(options) || has_ipv6_route();
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) machine.descriptors = limit.rlim_cur;
    return machine;
}

// -- the library's context ----------------------------------------------------------------------------

// The library reads its configuration from a file only: this one is in memory and has no name.
Result<void> configure(ub_ctx* context, const std::string& text) {
    const int fd = ::memfd_create("danelaw-resolver", MFD_CLOEXEC);
    if (fd < 0) return fail(Errc::dns, std::string("memfd_create: ") + std::strerror(errno));
    const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    const std::string path = "/proc/self/fd/" + std::to_string(fd);
    const int code = written ? ub_ctx_config(context, path.c_str()) : UB_READFILE;
    ::close(fd);
    if (code != 0) return refused("the resolver's configuration", code);
    return {};
}

Result<Context> make_context(const std::string& config) {
    Context context(ub_ctx_create());
    if (!context) return fail(Errc::dns, "no memory for the resolver");
    ub_ctx_debugout(context.get(), nullptr); // it would write each bogus answer to standard error
    if (auto done = configure(context.get(), config); !done) return fail(std::move(done.error()));
    if (const int code = ub_ctx_async(context.get(), 1); code != 0) return refused("the resolver's thread", code);
    // The first call that needs the finished set-up checks it: an anchor that can't be read shows here, not as silence.
    if (const int code = ub_ctx_zone_remove(context.get(), "set-up-complete.invalid."); code != 0) {
        return refused("the resolver's configuration or trust anchors", code);
    }
    return context;
}

// -- lookups ------------------------------------------------------------------------------------------

using Key = std::pair<std::string, int>; // name and type

// One question on its way, with all who wait for it. The library holds its address until it answers, or until ub_cancel
// said that it won't.
struct Lookup {
    class Library* library = nullptr;
    Key key;
    int id = 0;
    bool abandoned = false; // nobody waits any more
    std::optional<Raw> answer;
    std::vector<net::Wakeup*> waiters;
};

// One context of libunbound, with its cache and its thread.
class Library {
  public:
    Library(const asio::any_io_executor& executor, Context context)
        : context_(std::move(context)),
          readable_(std::make_shared<asio::posix::stream_descriptor>(executor, ::dup(ub_fd(context_.get())))) {
        watch();
    }
    ~Library() {
        boost::system::error_code ignored;
        readable_->close(ignored);
        *alive_ = false;
        for (const auto& lookup : lookups_) (void)ub_cancel(context_.get(), lookup->id);
    }
    Library(const Library&) = delete;
    Library& operator=(const Library&) = delete;

    // What is in flight already is joined by whoever asks the same.
    Result<std::shared_ptr<Lookup>> ask(const Key& key);
    void abandon(const std::shared_ptr<Lookup>& lookup);
    std::size_t in_flight() const { return in_flight_.size(); }
    bool busy() const { return !lookups_.empty(); }

  private:
    void watch();
    static void answered(void* lookup, int code, ub_result* result);

    Context context_;
    std::shared_ptr<asio::posix::stream_descriptor> readable_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
    std::map<Key, std::shared_ptr<Lookup>> in_flight_;
    std::unordered_set<std::shared_ptr<Lookup>> lookups_; // known to the library
};

void Library::watch() {
    // Neither the descriptor nor this object need outlive the wait.
    auto handler = [this, alive = alive_, keep = readable_](boost::system::error_code ec) {
        if (ec || !*alive) return;
        (void)ub_process(context_.get());
        if (*alive) watch();
    };
    readable_->async_wait(asio::posix::descriptor_base::wait_read, std::move(handler));
}

// Called by ub_process(), on the io thread.
void Library::answered(void* argument, int code, ub_result* result) {
    auto* raw = static_cast<Lookup*>(argument);
    Library& self = *raw->library;
    const auto same = [raw](const std::shared_ptr<Lookup>& l) { return l.get() == raw; };
    const auto at = std::ranges::find_if(self.lookups_, same);
    if (at == self.lookups_.end()) { // cancelled in time, and yet: nothing of ours is left
        ub_resolve_free(result);
        return;
    }
    const std::shared_ptr<Lookup> lookup = *at;
    self.lookups_.erase(at);
    if (!lookup->abandoned) self.in_flight_.erase(lookup->key);
    lookup->answer = read_result(code, result);
    ub_resolve_free(result);
    for (net::Wakeup* waiter : lookup->waiters) waiter->notify();
}

Result<std::shared_ptr<Lookup>> Library::ask(const Key& key) {
    if (const auto found = in_flight_.find(key); found != in_flight_.end()) return found->second;
    auto lookup = std::make_shared<Lookup>();
    lookup->library = this;
    lookup->key = key;
    const std::string name = key.first + ".";
    const int code = ub_resolve_async(context_.get(), name.c_str(), key.second, 1, lookup.get(), answered, &lookup->id);
    if (code != 0) return refused("lookup", code);
    lookups_.insert(lookup);
    in_flight_[key] = lookup;
    return lookup;
}

void Library::abandon(const std::shared_ptr<Lookup>& lookup) {
    lookup->abandoned = true;
    in_flight_.erase(lookup->key);
    // Refused when the answer is under way already: then it is dropped when it comes.
    if (ub_cancel(context_.get(), lookup->id) == 0) lookups_.erase(lookup);
}

// A question to one context for as long as this lives; `wakeup` hears of the answer.
class Question {
  public:
    Question(std::shared_ptr<Library> library, const Key& key, net::Wakeup& wakeup)
        : library_(std::move(library)), wakeup_(wakeup) {
        auto started = library_->ask(key);
        if (!started) {
            refused_ = failed_lookup(started.error().detail);
            wakeup_.notify();
            return;
        }
        lookup_ = std::move(*started);
        lookup_->waiters.push_back(&wakeup_);
    }
    ~Question() {
        if (!lookup_) return;
        std::erase(lookup_->waiters, &wakeup_);
        if (!lookup_->answer && lookup_->waiters.empty() && !lookup_->abandoned) library_->abandon(lookup_);
    }
    Question(const Question&) = delete;
    Question& operator=(const Question&) = delete;

    const std::optional<Raw>& answer() const { return lookup_ ? lookup_->answer : refused_; }
    // Something is known, good or bad: it needs no second opinion.
    bool settled() const { return answer() && answer()->status != dns::Status::error; }

  private:
    std::shared_ptr<Library> library_;
    net::Wakeup& wakeup_;
    std::shared_ptr<Lookup> lookup_;
    std::optional<Raw> refused_;
};

// The library's cache counts by the wall clock. When that is set back, what was kept would be used for as long again:
// a stale TLSA RRset (DANE-012), or the verdict that a key is bad (H37). Slewing by NTP stays far below this.
constexpr auto set_back = std::chrono::seconds(5);

constexpr auto soon = std::chrono::milliseconds(1500); // most answers come within a tenth of it

// How far the wall clock is ahead of the one that nobody can set.
Millis wall_ahead() {
    const auto wall = std::chrono::system_clock::now().time_since_epoch();
    const auto steady = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<Millis>(wall) - std::chrono::duration_cast<Millis>(steady);
}

class Unbound final : public Resolver {
  public:
    struct Configs {
        std::string quick, patient;
    };
    Unbound(const asio::any_io_executor& executor, Configs configs, Context context, Millis timeout)
        : executor_(executor), configs_(std::move(configs)), timeout_(timeout), ahead_(wall_ahead()) {
        quick_ = std::make_shared<Library>(executor_, std::move(context));
    }

    Task<dns::Answer<dns::Mx>> mx(dns::Name name) override {
        co_return count(decode<dns::Mx>(name, co_await ask(name, 15), dns::parse_mx));
    }
    Task<dns::Answer<IpAddress>> a(dns::Name name) override {
        co_return count(decode<IpAddress>(name, co_await ask(name, 1), dns::parse_a));
    }
    Task<dns::Answer<IpAddress>> aaaa(dns::Name name) override {
        co_return count(decode<IpAddress>(name, co_await ask(name, 28), dns::parse_aaaa));
    }
    Task<dns::Answer<dns::Tlsa>> tlsa(dns::Name owner) override {
        co_return count(decode<dns::Tlsa>(owner, co_await ask(owner, 52), dns::parse_tlsa));
    }
    Task<dns::Answer<std::string>> txt(dns::Name name) override {
        co_return count(decode<std::string>(name, co_await ask(name, 16), dns::parse_txt));
    }
    Task<dns::Answer<dns::Name>> cname(dns::Name name) override {
        const auto until = net::deadline_after(timeout_);
        auto answer = decode<dns::Name>(name, co_await ask(name, 5, until), dns::Name::from_wire);
        if (answer.failed()) answer = co_await dname_above(name, std::move(answer), until);
        co_return count(std::move(answer));
    }
    Counters counters() const override {
        Counters now = counters_;
        now.in_flight = quick_->in_flight() + (patient_ ? patient_->in_flight() : 0);
        for (const auto& old : retired_) now.in_flight += old->in_flight();
        return now;
    }

  private:
    Task<Raw> ask(dns::Name name, int type) { return ask(std::move(name), type, net::deadline_after(timeout_)); }
    Task<Raw> ask(dns::Name name, int type, net::Deadline until);
    Task<dns::Answer<dns::Name>> dname_above(dns::Name name, dns::Answer<dns::Name> failed, net::Deadline until);
    void mind_the_clock();
    std::shared_ptr<Library> patient();
    template <class T> dns::Answer<T> count(dns::Answer<T> answer);

    asio::any_io_executor executor_;
    Configs configs_;
    std::shared_ptr<Library> quick_, patient_;      // the latter once it is needed
    std::vector<std::shared_ptr<Library>> retired_; // with lookups on their way; asked no more
    Millis timeout_;
    Millis ahead_;
    Counters counters_;
};

template <class T> dns::Answer<T> Unbound::count(dns::Answer<T> answer) {
    switch (answer.status) {
    case dns::Status::secure: ++counters_.secure; break;
    case dns::Status::insecure: ++counters_.insecure; break;
    case dns::Status::bogus: ++counters_.bogus; break;
    case dns::Status::error: ++counters_.error; break;
    }
    return answer;
}

// Not from within an answer: a context must not be deleted while it calls us.
void Unbound::mind_the_clock() {
    std::erase_if(retired_, [](const auto& old) { return !old->busy(); });
    const Millis ahead = wall_ahead();
    if (ahead >= ahead_ - set_back) {
        ahead_ = ahead;
        return;
    }
    auto fresh = make_context(configs_.quick);
    if (!fresh) return; // tried again by the next lookup
    ahead_ = ahead;
    retired_.push_back(std::exchange(quick_, std::make_shared<Library>(executor_, std::move(*fresh))));
    if (patient_) retired_.push_back(std::exchange(patient_, nullptr));
}

std::shared_ptr<Library> Unbound::patient() {
    mind_the_clock();
    if (!patient_)
        if (auto context = make_context(configs_.patient))
            patient_ = std::make_shared<Library>(executor_, std::move(*context));
    return patient_;
}

// libunbound asks anew when a server does not answer soon, and takes the late answer to the first question for none: a
// server that is always late never answers. So who hears nothing for a while asks a second context too, which waits
// for each answer (Patience::late_answers). Only the limit ends a lookup, not a server's slowness (DANE-015).
Task<Raw> Unbound::ask(dns::Name name, int type, net::Deadline until) {
    using Woken = net::Wakeup::Woken;
    mind_the_clock();
    const Key key(name.text(), type);
    net::Wakeup wakeup(executor_);
    const Question quick(quick_, key, wakeup);
    auto woken = co_await wakeup.wait(std::min(until, net::deadline_after(soon)));
    std::optional<Question> late;
    while (!quick.settled() && !(late && late->settled())) {
        if (woken == Woken::cancelled) co_return failed_lookup("lookup cancelled");
        if (quick.answer() && late && late->answer()) break;
        if (std::chrono::steady_clock::now() >= until) break;
        const auto library = late ? nullptr : patient();
        if (library) late.emplace(library, key, wakeup);
        if (!late && quick.answer()) break;
        woken = co_await wakeup.wait(until);
    }
    if (late && late->settled() && !quick.settled()) co_return *late->answer();
    if (quick.answer()) co_return *quick.answer();
    co_return failed_lookup("no answer within " + duration_text(timeout_));
}

// libunbound 1.17 calls a CNAME bogus that a DNAME makes and that leads to a zone which is not signed. The DNAME itself
// tells as much: whatever is below it is an alias, and as secure as it is (RFC 6672 2.3, 5.3; DANE-009).
Task<dns::Answer<dns::Name>> Unbound::dname_above(dns::Name name, dns::Answer<dns::Name> failed, net::Deadline until) {
    for (std::string text = name.text(); text.contains('.') && std::chrono::steady_clock::now() < until;) {
        text.erase(0, text.find('.') + 1);
        const auto parent = dns::Name::from(text);
        if (!parent) break;
        auto dname = decode<dns::Name>(*parent, co_await ask(*parent, 39, until), dns::Name::from_wire);
        if (dname.failed() || dname.aliased) continue;  // perhaps below it
        if (dname.status != dns::Status::secure) break; // anybody may have said so
        if (!dname.records.empty()) co_return dname;
        break; // a name of its own: there is none above it either
    }
    co_return failed;
}

} // namespace

Result<std::unique_ptr<Resolver>> make_unbound(asio::any_io_executor executor, Options options) {
    const auto anchors = load_trust_anchors(options);
    if (!anchors) return fail(anchors.error());
    const auto machine = this_machine(options);
    const auto quick = unbound_config(options, *anchors, machine, Patience::quick_answers);
    if (!quick) return fail(quick.error());
    const auto patient = unbound_config(options, *anchors, machine, Patience::late_answers);
    if (!patient) return fail(patient.error());
    auto context = make_context(*quick);
    if (!context) return fail(std::move(context.error()));
    return std::make_unique<Unbound>(executor, Unbound::Configs{*quick, *patient}, std::move(*context),
                                     options.timeout);
}

} // namespace danelaw::resolver
