// Preloaded into a server: no process is to be had once so many were forked as the file that FORKS_LEFT_IN
// names says.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>

namespace {

using Count = std::atomic<int>;

Count* forks_left = nullptr;

[[gnu::constructor]] void map_file() {
  const char* path = std::getenv("FORKS_LEFT_IN");
  if (path == nullptr) return;
  const int file = ::open(path, O_RDWR | O_CLOEXEC);
  void* memory = ::mmap(nullptr, sizeof(Count), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::close(file);
  if (memory != MAP_FAILED)
    forks_left = static_cast<Count*>(memory);  // otherwise every fork succeeds: the test fails
}

}  // namespace

extern "C" pid_t fork() noexcept {
  if (forks_left != nullptr && forks_left->fetch_sub(1) <= 0) {
    *forks_left = 0;
    errno = EAGAIN;
    return -1;
  }
  const auto real = reinterpret_cast<pid_t (*)()>(::dlsym(RTLD_NEXT, "fork"));
  return real();
}
