// Delivery's reporter: notices from the report module.
#pragma once

#include "danelaw/delivery/agent.hpp"
#include "danelaw/report/notices.hpp"

#include <functional>
#include <memory>

namespace danelaw::app {

class Reporter final : public delivery::Reporter {
  public:
    Reporter(log::Log& log, std::function<std::shared_ptr<const report::NoticeMaker>()> maker)
        : log_(log), maker_(std::move(maker)) {}

    delivery::Task<delivery::NoticeSet> notices(const store::Message& message,
                                                std::vector<store::RecipientUpdate>& updates, Time now,
                                                Millis age) override {
        const auto maker = maker_();
        auto made = std::make_shared<report::Notices>(co_await maker->make(message, updates, now, age));
        delivery::NoticeSet set;
        set.messages = std::move(made->messages);
        if (!made->sent.empty()) {
            const auto about = std::make_shared<store::Message>(message);
            set.announce = [this, about, made] { report::announce(log_, *about, *made); };
        }
        co_return set;
    }

  private:
    log::Log& log_;
    std::function<std::shared_ptr<const report::NoticeMaker>()> maker_;
};

} // namespace danelaw::app
