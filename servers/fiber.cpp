#include "servers/fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <new>
#include <utility>

#ifdef __has_feature
#define QUARTET_HAS(sanitizer) __has_feature(sanitizer##_sanitizer)
#else
#define QUARTET_HAS(sanitizer) QUARTET_HAS_##sanitizer
#ifdef __SANITIZE_ADDRESS__
#define QUARTET_HAS_address 1
#endif
#ifdef __SANITIZE_THREAD__
#define QUARTET_HAS_thread 1
#endif
#endif

#if QUARTET_HAS(address)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if QUARTET_HAS(thread)
#include <sanitizer/tsan_interface.h>
#endif

namespace quartet {
namespace {

constexpr std::size_t kStacksInMapping = 16;
/// So many free stacks keep their memory, and are used first. A crowd that has left gives the rest back.
constexpr std::size_t kKept = 64;

std::size_t page_size() { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }

// --- sanitizers: each change of stacks is told before and after it. Without one they are empty.

void before_leaving([[maybe_unused]] void** fake_stack, [[maybe_unused]] const void* lowest,
                    [[maybe_unused]] std::size_t size) {
#if QUARTET_HAS(address)
  __sanitizer_start_switch_fiber(fake_stack, lowest, size);
#endif
}

void after_arriving([[maybe_unused]] void* fake_stack, [[maybe_unused]] const void** lowest,
                    [[maybe_unused]] std::size_t* size) {
#if QUARTET_HAS(address)
  __sanitizer_finish_switch_fiber(fake_stack, lowest, size);
#endif
}

/// What frames without an end have left behind.
void forget_frames([[maybe_unused]] const boost::context::stack_context& stack) {
#if QUARTET_HAS(address)
  __asan_unpoison_memory_region(static_cast<char*>(stack.sp) - stack.size, stack.size);
#endif
}

void switch_thread([[maybe_unused]] void* thread) {
#if QUARTET_HAS(thread)
  __tsan_switch_to_fiber(thread, 0);
#endif
}

void* this_thread() {
#if QUARTET_HAS(thread)
  return __tsan_get_current_fiber();
#else
  return nullptr;
#endif
}

void* begin_thread() {
#if QUARTET_HAS(thread)
  return __tsan_create_fiber(0);
#else
  return nullptr;
#endif
}

void end_thread([[maybe_unused]] void* thread) {
#if QUARTET_HAS(thread)
  __tsan_destroy_fiber(thread);
#endif
}

/// How Boost gives a stack back.
struct Lease {
  Stacks* stacks;
  void deallocate(const boost::context::stack_context& stack) const noexcept { stacks->deallocate(stack); }
};

}  // namespace

// --- stacks

Stacks::Stacks(std::size_t size, bool guarded)
    : size_((size + page_size() - 1) / page_size() * page_size()), guard_(guarded ? page_size() : 0) {}

Stacks::~Stacks() {
  for (void* mapping : mappings_) munmap(mapping, kStacksInMapping * size_);  // whole: cannot fail
}

boost::context::stack_context Stacks::allocate() {
  const std::lock_guard lock(mutex_);
  if (warm_.empty() && cold_.empty()) map_more();
  auto& from = warm_.empty() ? cold_ : warm_;
  const auto stack = from.back();
  from.pop_back();
  return stack;
}

void Stacks::deallocate(const boost::context::stack_context& stack) noexcept {
  forget_frames(stack);
  const std::lock_guard lock(mutex_);
  if (warm_.size() < kKept) return warm_.push_back(stack);  // in both there is room: map_more() has made it
  // The memory comes back as zeros when it is touched.
  madvise(static_cast<char*>(stack.sp) - stack.size, stack.size, MADV_DONTNEED);
  cold_.push_back(stack);
}

void Stacks::map_more() {
  warm_.reserve(kKept);
  cold_.reserve((mappings_.size() + 1) * kStacksInMapping);
  mappings_.reserve(mappings_.size() + 1);
  const std::size_t bytes = kStacksInMapping * size_;
  void* mapping =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) throw std::bad_alloc();
  // One touched byte would bring in 2 MiB. EINVAL: a kernel without huge pages.
  madvise(mapping, bytes, MADV_NOHUGEPAGE);
  auto* lowest = static_cast<char*>(mapping);
  for (std::size_t i = 0; i < kStacksInMapping; ++i) {
    // The kernel allows so many mappings (vm.max_map_count), and each guard needs two.
    if (guard_ > 0 && mprotect(lowest + i * size_, guard_, PROT_NONE) != 0) {
      munmap(mapping, bytes);
      throw std::bad_alloc();
    }
  }
  mappings_.push_back(mapping);
  for (std::size_t i = 0; i < kStacksInMapping; ++i) {
    boost::context::stack_context stack;
    stack.sp = lowest + (i + 1) * size_;
    stack.size = size_ - guard_;
    cold_.push_back(stack);
  }
}

// --- contexts

void Context::prepare(Stacks& stacks, std::function<void()> body) {
  stack_ = stacks.allocate();
  guard_ = stacks.guard();
  notes_ = {.thread = begin_thread()};
  auto begin = [this, its_body = std::move(body)](boost::context::fiber outside) {
    outside_ = std::move(outside);
    arrive();
    its_body();
    before_leaving(nullptr, notes_.lowest, notes_.size);
    return std::move(outside_);
  };
  inside_ =
      boost::context::fiber(std::allocator_arg, boost::context::preallocated(stack_.sp, stack_.size, stack_),
                            Lease{&stacks}, std::move(begin));
}

void Context::resume() {
  void* fake_stack = nullptr;
  notes_.outside = this_thread();
  before_leaving(&fake_stack, static_cast<char*>(stack_.sp) - stack_.size, stack_.size);
  switch_thread(notes_.thread);
  inside_ = std::move(inside_).resume();
  after_arriving(fake_stack, nullptr, nullptr);
  if (!ended()) return;
  switch_thread(notes_.outside);
  end_thread(notes_.thread);
}

void Context::suspend() {
  before_leaving(&notes_.fake_stack, notes_.lowest, notes_.size);
  switch_thread(notes_.outside);
  outside_ = std::move(outside_).resume();
  arrive();
}

void Context::arrive() { after_arriving(notes_.fake_stack, &notes_.lowest, &notes_.size); }

app::Stack Context::stack() const {
  return {.lowest = reinterpret_cast<std::uintptr_t>(stack_.sp) - stack_.size, .guard = guard_};
}

}  // namespace quartet
