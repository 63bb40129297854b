// DSN parameters from any client and words from any peer, into a notice: header syntax holds, nothing is injected, no
// line is too long (SS-097, DQ-044, DQ-045, DQ-051, DQ-055, DQ-056).
#include "require.hpp"

#include "danelaw/base/text.hpp"
#include "danelaw/message/dsn.hpp"
#include "danelaw/smtp/command_in.hpp"

#include <fuzzer/FuzzedDataProvider.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace {

using namespace danelaw;

std::size_t count(std::string_view text, std::string_view what) {
    std::size_t n = 0;
    for (auto at = text.find(what); at != std::string_view::npos; at = text.find(what, at + what.size())) ++n;
    return n;
}

// The parts before the returned message are ours: their form is ours to keep.
void sound(const message::Notice& notice) {
    const std::string_view text = notice.content;
    const auto at = text.find("boundary=\"");
    require(at != std::string_view::npos);
    const auto from = at + 10;
    const auto boundary = "\r\n--" + std::string(text.substr(from, text.find('"', from) - from));
    require(count(text, boundary) == 4); // three parts and the end
    const auto third = text.find(boundary, text.find(boundary, text.find(boundary) + 1) + 1);
    const auto ours = text.substr(0, third);
    for (std::size_t line = 0; line < ours.size();) {
        const auto end = ours.find("\r\n", line);
        const auto length = (end == std::string_view::npos ? ours.size() : end) - line;
        require(length <= 998);
        for (const char c : ours.substr(line, length)) require(c != '\r' && c != '\n' && c != '\0');
        line += length + 2;
    }
    if (!notice.smtputf8) require(is_ascii(text.substr(0, text.find("\r\n\r\n"))));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    FuzzedDataProvider in(data, size);
    const auto mail =
        smtp::parse_mail(in.ConsumeRandomLengthString(600), smtp::Syntax::sloppy, smtp::RequireTls::offered);
    const auto rcpt = smtp::parse_rcpt(in.ConsumeRandomLengthString(600), smtp::Syntax::sloppy, smtp::Utf8::on);
    message::NoticeFacts facts;
    facts.id = "1M89CEFRTXSS2WX1";
    facts.hostname = "relay.test";
    facts.now = Time(Seconds(1'790'000'000));
    facts.action = static_cast<message::Action>(in.ConsumeIntegralInRange(0, 2));
    if (mail) {
        facts.original.reverse_path = mail->path.text();
        facts.original.envid = mail->envid;
        facts.original.ret = mail->ret;
        facts.original.smtputf8 = mail->smtputf8;
    }
    if (facts.original.reverse_path.empty()) facts.original.reverse_path = "a@sender.test";
    message::NoticeRecipient one;
    one.recipient.address = rcpt ? rcpt->mailbox.text() : "b@ex.test";
    if (rcpt) one.recipient.orcpt = rcpt->orcpt;
    one.outcome.verdict = Verdict::bounced;
    one.outcome.reason = Reason::smtp_reply;
    one.outcome.code = in.ConsumeIntegralInRange(0, 599);
    one.outcome.enhanced = in.PickValueInArray({"", "5.1.1", "4.0.0"});
    one.outcome.host = in.ConsumeRandomLengthString(80);
    one.outcome.text = in.ConsumeRandomLengthString(2000);
    facts.recipients.push_back(one);
    facts.portion = in.ConsumeBool() ? message::Portion::full : message::Portion::header;
    facts.returned = "Subject: x\r\n\r\n" + in.ConsumeRemainingBytesAsString();
    const auto notice = message::compose(facts);
    if (std::getenv("DANELAW_FUZZ_SHOW")) std::fputs(notice.content.c_str(), stderr);
    sound(notice);
    return 0;
}
