#include "common/server/threads.h"

#include <fmt/format.h>

#include <system_error>

#include "common/scoreboard/scoreboard.h"

namespace quartet::app {

void Threads::start(std::size_t wanted, http::Slot& slot, const Work& work) try {
  threads_.emplace_back([this, &slot, work] {
    Scoreboard::own(slot);
    ++started_;
    started_.notify_all();
    work(slot);
  });
} catch (const std::system_error& error) {
  Scoreboard::release(slot);
  throw std::system_error(error.code(), fmt::format("thread {} of {}", threads_.size() + 1, wanted));
}

void Threads::await_started() const {
  for (auto started = started_.load(); started < threads_.size(); started = started_.load())
    started_.wait(started);
}

void Threads::join() {
  for (auto& thread : threads_) thread.join();
}

}  // namespace quartet::app
