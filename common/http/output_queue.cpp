#include "common/http/output_queue.h"

#include <algorithm>
#include <utility>

#include "common/http/deadline.h"

namespace quartet::http {

std::string& OutputQueue::begin(TimePoint now) {
  if (empty()) {
    deadline_ = now + limits_.write_timeout;
    in_flight_ = 0;
    answers_ = 0;
  }
  return bytes_.take();
}

void OutputQueue::append_file(FileRange file) {
  if (file.length() > 0) file_.emplace(std::move(file));
}

bool OutputQueue::has_room(std::size_t most_answers) const {
  constexpr std::size_t kFull = 64 * 1024;
  return !file_ && answers_ < most_answers && bytes_->size() < kFull;
}

Output OutputQueue::pending() const {
  const auto bytes = bytes_ ? std::string_view(*bytes_).substr(sent_) : std::string_view();
  return {bytes, file_ ? &*file_ : nullptr};
}

void OutputQueue::on_written(std::size_t count) {
  in_flight_ += count;
  const auto bytes = bytes_ ? std::min(count, bytes_->size() - sent_) : 0;
  sent_ += bytes;
  if (file_) file_->advance(count - bytes);
  if (file_ && file_->length() == 0) file_.reset();
  if (!empty()) return;
  bytes_.release();
  sent_ = 0;
}

bool OutputQueue::on_unacknowledged(std::uint64_t bytes, TimePoint now) {
  const auto acknowledged = in_flight_ - std::min(bytes, in_flight_);
  in_flight_ = bytes;
  if (acknowledged == 0) return false;
  deadline_ = prolonged(deadline_, limits_.write_timeout, acknowledged, limits_.min_body_rate, now);
  return true;
}

}  // namespace quartet::http
