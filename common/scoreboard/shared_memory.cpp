#include "common/scoreboard/shared_memory.h"

#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>

#include "common/net/system.h"

namespace quartet::app {
namespace {

/// A mapping whose pages may vanish. A signal handler reads it: nothing but lock-free atomics.
struct Guarded {
  std::atomic<char*> begin{nullptr};
  std::atomic<std::size_t> size{0};
  std::atomic<char*> spare{nullptr};
  std::atomic<bool> lost{false};
  std::atomic<std::atomic<bool>*> said{nullptr};
  std::atomic<std::size_t> sentence_size{0};
  std::array<char, 512> sentence{};
};

std::array<Guarded, 16> guarded;
struct sigaction previous {};  // the earlier handler: it gets the signals that are not about our mappings

std::uintptr_t page_bytes() {
  static const auto bytes = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  return bytes;
}

Guarded* find(const char* address) {
  for (Guarded& each : guarded) {
    const char* begin = each.begin;
    if (begin != nullptr && address >= begin && address < begin + each.size) return &each;
  }
  return nullptr;
}

/// One page, so that all processes agree which ones the file still has.
bool replace_page(const Guarded& mapping, char* address) {
  char* page = address - reinterpret_cast<std::uintptr_t>(address) % page_bytes();
  const auto offset = page - mapping.begin;
  // Of a shared mapping, mremap(2) with the old size 0 makes a second one of the same memory.
  if (char* spare = mapping.spare; spare != nullptr) {
    return ::mremap(spare + offset, 0, page_bytes(), MREMAP_MAYMOVE | MREMAP_FIXED, page) != MAP_FAILED;
  }
  return ::mmap(page, page_bytes(), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
}

void say_once(const Guarded& mapping) {
  std::atomic<bool>* said = mapping.said;
  if (said == nullptr || said->exchange(true)) return;
  pollfd log{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
  if (::poll(&log, 1, 0) <= 0) return;  // a full pipe must not stop the server
  [[maybe_unused]] const auto written =
      ::write(STDERR_FILENO, mapping.sentence.data(), mapping.sentence_size);
}

void on_bus_error(int, siginfo_t* info, void*) {
  const int saved = errno;
  auto* address = static_cast<char*>(info->si_addr);
  Guarded* mapping = info->si_code == BUS_ADRERR ? find(address) : nullptr;
  if (mapping != nullptr && replace_page(*mapping, address)) {
    mapping->lost = true;
    say_once(*mapping);
  } else {
    ::sigaction(SIGBUS, &previous, nullptr);  // of what sigaction has returned: cannot fail
    ::raise(SIGBUS);                          // comes when this handler returns
  }
  errno = saved;
}

void install_handler() {
  static const bool installed = [] {
    page_bytes();  // a handler must not be the first to initialise it
    struct sigaction action {};
    action.sa_sigaction = on_bus_error;
    action.sa_flags = SA_SIGINFO;
    net::check(::sigaction(SIGBUS, &action, &previous), "sigaction");
    return true;
  }();
  (void)installed;
}

/// @return its index; -1 when there are too many: that one is not guarded
int guard(void* data, std::size_t size) {
  install_handler();
  for (std::size_t i = 0; i < guarded.size(); ++i) {
    char* free = nullptr;
    if (!guarded[i].begin.compare_exchange_strong(free, static_cast<char*>(data))) continue;
    guarded[i].spare = nullptr;
    guarded[i].said = nullptr;
    guarded[i].lost = false;
    guarded[i].size = size;
    return static_cast<int>(i);
  }
  return -1;
}

Guarded& at(int index) { return guarded[static_cast<std::size_t>(index)]; }

}  // namespace

SharedMemory::SharedMemory(int descriptor, std::size_t size, int protection) : size_(size) {
  const int flags = descriptor < 0 ? MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED;
  data_ = ::mmap(nullptr, size, protection, flags, descriptor, 0);
  if (data_ == MAP_FAILED) net::throw_errno("mmap of the scoreboard");
  if (descriptor >= 0) guard_ = guard(data_, size);
}

SharedMemory::~SharedMemory() {
  if (guard_ >= 0) {
    at(guard_).size = 0;
    at(guard_).begin = nullptr;
  }
  if (data_ != nullptr) ::munmap(data_, size_);  // of a whole mapping: cannot fail
}

void SharedMemory::set_spare(const Spare& spare) {
  if (guard_ < 0) return;
  Guarded& mapping = at(guard_);
  const auto end = std::ranges::copy_n(
      spare.sentence.begin(),
      static_cast<std::ptrdiff_t>(std::min(spare.sentence.size(), mapping.sentence.size())),
      mapping.sentence.begin());
  mapping.sentence_size = static_cast<std::size_t>(end.out - mapping.sentence.begin());
  mapping.said = spare.said;
  mapping.spare = static_cast<char*>(spare.memory);
}

bool SharedMemory::lost() const { return guard_ >= 0 && at(guard_).lost; }

}  // namespace quartet::app
