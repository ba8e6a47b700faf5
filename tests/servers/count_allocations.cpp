// Preloaded into a server: counts its allocations, of all its processes together, in the file that
// COUNT_ALLOCATIONS_IN names. operator new comes here by way of malloc.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>

extern "C" {
// glibc's own: dlsym would allocate.
void* __libc_malloc(std::size_t size);                           // NOLINT(bugprone-reserved-identifier)
void* __libc_calloc(std::size_t count, std::size_t size);        // NOLINT(bugprone-reserved-identifier)
void* __libc_realloc(void* memory, std::size_t size);            // NOLINT(bugprone-reserved-identifier)
void* __libc_memalign(std::size_t alignment, std::size_t size);  // NOLINT(bugprone-reserved-identifier)
}

namespace {

using Count = std::atomic<unsigned long>;

Count before_the_file{0};
Count* count = &before_the_file;

[[gnu::constructor]] void map_file() {
  const char* path = std::getenv("COUNT_ALLOCATIONS_IN");
  if (path == nullptr) return;
  const int file = ::open(path, O_RDWR | O_CLOEXEC);
  void* memory = ::mmap(nullptr, sizeof(Count), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::close(file);
  if (memory != MAP_FAILED)
    count = static_cast<Count*>(memory);  // otherwise the file stays at 0: the test fails
}

void add_one() { count->fetch_add(1, std::memory_order_relaxed); }

}  // namespace

extern "C" {

void* malloc(std::size_t size) {
  add_one();
  return __libc_malloc(size);
}

void* calloc(std::size_t number, std::size_t size) {
  add_one();
  return __libc_calloc(number, size);
}

void* realloc(void* memory, std::size_t size) {
  add_one();
  return __libc_realloc(memory, size);
}

void* aligned_alloc(std::size_t alignment, std::size_t size) {
  add_one();
  return __libc_memalign(alignment, size);
}

void* memalign(std::size_t alignment, std::size_t size) { return aligned_alloc(alignment, size); }

int posix_memalign(void** result, std::size_t alignment, std::size_t size) {
  *result = aligned_alloc(alignment, size);
  return *result == nullptr ? ENOMEM : 0;
}

}  // extern "C"
