// What a notice returns of the message, out of the store. Its form: unit/message.
#include "danelaw/report/notices.hpp"

#include "danelaw/base/id.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <filesystem>
#include <stdlib.h>

namespace danelaw::report {
namespace {

const Time now{std::chrono::sys_days{std::chrono::year{2026} / 11 / 25}};

template <class T> T run(Task<T> task) {
    boost::asio::io_context io;
    std::optional<T> out;
    const auto done = [&out](std::exception_ptr thrown, T value) {
        if (thrown) std::rethrow_exception(thrown);
        out.emplace(std::move(value));
    };
    boost::asio::co_spawn(io, std::move(task), done);
    io.run();
    return std::move(*out);
}

// The one notice that a refusal of this message leads to.
std::string notice_of(store::NewMessage mail) {
    std::string directory = std::filesystem::temp_directory_path() / "danelaw-notices-XXXXXX";
    if (::mkdtemp(directory.data()) == nullptr) return {};
    store::EmbeddedOptions options;
    options.directory = directory;
    options.ballast = 0;
    auto queue = std::move(store::open_embedded(options)->queue);
    auto& envelope = mail.message.envelope;
    envelope.received_at = now;
    envelope.id = new_queue_id(now);
    envelope.reverse_path = "a@client.example";
    envelope.content.size = mail.content.size();
    message::Recipient r;
    r.address = "b@dest.example";
    r.domain = "dest.example";
    mail.message.recipients = {r};
    EXPECT_TRUE(run(queue->add(mail, store::Claiming::later)));
    NoticeSettings settings;
    settings.hostname = "relay.example";
    NoticeMaker maker(*queue, std::move(settings), nullptr, nullptr);
    store::RecipientUpdate update;
    update.state = message::RecipientState::bounced;
    update.outcome.emplace();
    update.outcome->verdict = Verdict::bounced;
    std::vector updates{update};
    auto made = run(maker.make(mail.message, updates, now, now - mail.message.envelope.received_at));
    queue->stop();
    queue.reset();
    std::filesystem::remove_all(directory);
    EXPECT_EQ(made.messages.size(), 1u);
    return made.messages.empty() ? std::string() : made.messages[0].content;
}

TEST(Pacer, SpacesOutButNotForEver) { // DQ-062, DQ-024, DQ-012
    Pacer pacer;
    for (int n = 0; n < 100; ++n) EXPECT_EQ(pacer.slot("a@client.example", now), now);
    EXPECT_EQ(pacer.slot("a@client.example", now), now + std::chrono::seconds(10));
    EXPECT_EQ(pacer.slot("b@client.example", now), now);
    for (int n = 0; n < 20000; ++n) pacer.slot("a@client.example", now);
    EXPECT_LE(pacer.slot("a@client.example", now), now + std::chrono::hours(24));
    const auto year = std::chrono::hours(24 * 365); // under a wrong clock
    pacer.slot("c@client.example", now + year);
    EXPECT_LE(pacer.slot("c@client.example", now), now + std::chrono::hours(24));
}

TEST(Returned, AHugeHeaderIsCutBetweenFields) { // H123, DQ-052
    store::NewMessage mail;
    const std::string field = "X-Pad: " + std::string(990, 'p') + "\r\n\t" + std::string(400, 'q') + "\r\n";
    while (mail.content.size() < 3 << 20) mail.content += field;
    mail.content += "\r\nthe body\r\n";
    const auto notice = notice_of(mail);
    EXPECT_GT(notice.size(), 1000u * 1000u);
    EXPECT_LT(notice.size(), 2u << 20);
    const auto end = notice.rfind("\r\n--=_"); // of the returned part; its last field is whole
    ASSERT_NE(end, std::string::npos);
    EXPECT_EQ(notice.substr(end - field.size(), field.size()), field);
}

TEST(Returned, NoBodyEvenWithoutCanonicalLineEnds) { // DQ-030, DQ-053: RFC 8689 5
    store::NewMessage mail;
    mail.message.envelope.requiretls = true;
    mail.message.envelope.body = message::Body::binary_mime;
    mail.content = "Received: from x by y\r\nSubject: topic\n\nsecret\nmore secret\r\n\r\nthe rest\r\n";
    const auto notice = notice_of(mail);
    EXPECT_NE(notice.find("Subject: topic"), std::string::npos);
    EXPECT_EQ(notice.find("secret"), std::string::npos);
}

} // namespace
} // namespace danelaw::report
