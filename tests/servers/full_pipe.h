#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <stdexcept>
#include <string>

namespace quartet::suite {

/// A pipe that is full, and that nobody reads before the test does.
class FullPipe {
 public:
  FullPipe() {
    if (pipe(ends_.data()) != 0) throw std::runtime_error("no pipe");
    const int flags = fcntl(ends_[1], F_GETFL);
    fcntl(ends_[1], F_SETFL, flags | O_NONBLOCK);
    while (write(ends_[1], "x", 1) == 1) {
    }
    fcntl(ends_[1], F_SETFL, flags);
  }
  ~FullPipe() {
    for (const int end : ends_) close(end);
  }
  FullPipe(const FullPipe&) = delete;
  FullPipe& operator=(const FullPipe&) = delete;

  /// A line of bash that makes it a descriptor: "2" for stderr.
  std::string become(const char* descriptor) const {
    return std::string("exec ") + descriptor + ">&" + std::to_string(ends_[1]);
  }
  /// Reads what there is.
  std::string read_all() const {
    std::string text(1 << 20, '\0');
    const auto count = read(ends_[0], text.data(), text.size());
    text.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    return text;
  }

 private:
  std::array<int, 2> ends_{};
};

}  // namespace quartet::suite
