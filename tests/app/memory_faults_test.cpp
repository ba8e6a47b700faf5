// What the faults of heap, stack and coroutine frames do to the process that commits them.
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <functional>
#include <new>
#include <string>
#include <thread>

#include "tests/app/fault_test.h"

namespace quartet::app {
namespace {

using MemoryFaults = FaultTest;

#if defined(__SANITIZE_ADDRESS__)
TEST_F(MemoryFaults, AddressSanitizerReportsAHeapOverflow) {
  EXPECT_NE(meet("/fault/heap-overflow").errors.find("heap-buffer-overflow"), std::string::npos);
}

TEST_F(MemoryFaults, AddressSanitizerReportsADoubleFree) {
  EXPECT_NE(meet("/fault/double-free").errors.find("double-free"), std::string::npos);
}
#elif !defined(__SANITIZE_THREAD__)
TEST_F(MemoryFaults, GlibcAbortsAtAnImpossibleSize) {
  const Captured run = meet("/fault/heap-overflow");
  EXPECT_EQ(run.signal(), SIGABRT);
  EXPECT_NE(run.errors.find("free(): invalid size"), std::string::npos) << run.errors;
}

TEST_F(MemoryFaults, GlibcAbortsAtASecondFree) {
  const Captured run = meet("/fault/double-free");
  EXPECT_EQ(run.signal(), SIGABRT);
  EXPECT_NE(run.errors.find("double free"), std::string::npos) << run.errors;
}
#endif

TEST_F(MemoryFaults, AStackThatIsFullKillsTheProcessNotOnlyTheThread) {
  EXPECT_EQ(meet("/fault/stack-overflow").signal(), SIGSEGV);
  const Captured other_thread = run_captured([this] {
    std::signal(SIGSEGV, SIG_DFL);
    std::thread([this] { call("/fault/stack-overflow"); }).join();
    return 0;
  });
  EXPECT_EQ(other_thread.signal(), SIGSEGV);
}

TEST_F(MemoryFaults, AJumpOffTheMainThreadsStackKillsTheProcess) {
  EXPECT_EQ(meet("/fault/stack-jump", "probes=off").signal(), SIGSEGV);
  EXPECT_EQ(meet("/fault/stack-jump", "probes=on").signal(), SIGSEGV);
}

/// Memory below a stack, as of another thread's.
class StackWithNeighbour {
 public:
  StackWithNeighbour()
      : memory_(static_cast<char*>(::mmap(nullptr, kNeighbour + kStack, PROT_READ | PROT_WRITE,
                                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))) {}
  ~StackWithNeighbour() { ::munmap(memory_, kNeighbour + kStack); }
  StackWithNeighbour(const StackWithNeighbour&) = delete;
  StackWithNeighbour& operator=(const StackWithNeighbour&) = delete;

  std::string_view neighbour() const { return {memory_, kNeighbour}; }

  void run(std::function<void()> body) {
    pthread_attr_t attributes;
    ::pthread_attr_init(&attributes);
    ::pthread_attr_setstack(&attributes, memory_ + kNeighbour, kStack);
    pthread_t thread;
    ASSERT_EQ(::pthread_create(&thread, &attributes, call, &body), 0);
    ::pthread_join(thread, nullptr);
    ::pthread_attr_destroy(&attributes);
  }

 private:
  static constexpr std::size_t kStack = 1 << 20;
  static constexpr std::size_t kNeighbour = 4 << 20;

  static void* call(void* body) {
    (*static_cast<std::function<void()>*>(body))();
    return nullptr;
  }

  char* memory_;
};

TEST_F(MemoryFaults, AJumpWritesIntoTheNeighbourAndNobodyNotices) {
  StackWithNeighbour stack;
  int status = 0;
  stack.run([&] { status = call("/fault/stack-jump").status; });
  EXPECT_EQ(status, 200);
  std::string expected;
  while (expected.size() < 8192) expected += "QUARTET!";
  const auto at = stack.neighbour().find(expected);
  ASSERT_NE(at, std::string_view::npos);
  // and on the way there not a byte
  EXPECT_EQ(stack.neighbour().find_first_not_of('\0', at + expected.size()), std::string_view::npos);
  EXPECT_EQ(stack.neighbour().find_first_not_of('\0'), at);
}

TEST_F(MemoryFaults, CoroutinesRecurseDeeperThanTheirStack) {
  StackWithNeighbour stack;
  std::string body;
  stack.run([&] { body = call("/fault/coroutine-recursion", "depth=200000").body; });
  EXPECT_TRUE(body.starts_with("200000 levels deep: ")) << body;
  EXPECT_GT(std::stoull(body.substr(20)), 200'000 * 16U) << body;
  EXPECT_EQ(stack.neighbour().find_first_not_of('\0'), std::string_view::npos);
}

TEST_F(MemoryFaults, TheRecursionOfCoroutinesCountsItsLevels) {
  EXPECT_TRUE(call("/fault/coroutine-recursion", "depth=0").body.starts_with("0 levels deep: "));
  EXPECT_TRUE(call("/fault/coroutine-recursion", "depth=1").body.starts_with("1 levels deep: "));
  EXPECT_TRUE(call("/fault/coroutine-recursion", "depth=7").body.starts_with("7 levels deep: "));
  EXPECT_EQ(call("/fault/coroutine-recursion", "depth=2000001").status, 400);
}

#if !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)  // they need more address space than there is
/// Of this process, in bytes (proc(5), statm).
rlim_t address_space() {
  rlim_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE));
}

TEST_F(MemoryFaults, ARecursionOfCoroutinesThatFindsNoMemoryThrowsAndGivesItsFramesBack) {
  const Captured run = run_captured([this] {
    // Other tests of the same process may have reserved much already, for the heaps of their threads.
    const rlim_t most = address_space() + (64U << 20);
    const rlimit limit{.rlim_cur = most, .rlim_max = most};
    if (::setrlimit(RLIMIT_AS, &limit) != 0) return 1;
    try {
      call("/fault/coroutine-recursion", "depth=2000000");
      return 2;
    } catch (const std::bad_alloc&) {
      return call("/fault/coroutine-recursion", "depth=10000").status == 200 ? 0 : 3;
    }
  });
  EXPECT_EQ(run.exit_status(), 0) << run.errors;
}
#endif

}  // namespace
}  // namespace quartet::app
