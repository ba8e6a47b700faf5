#include "common/app/slots.h"

#include <sys/mman.h>
#include <unistd.h>

#include <stdexcept>

#include "common/net/system.h"

namespace quartet::app {
namespace {

constexpr std::int32_t kFree = 0;
constexpr std::int32_t kReserved = -1;  // for a process that is not named yet

http::Slot* map_slots(std::size_t count) {
  void* memory = ::mmap(nullptr, count * sizeof(http::Slot), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) net::throw_errno("mmap of the slots");
  // Zeroed pages are free slots already; constructing them would touch every page.
  return static_cast<http::Slot*>(memory);
}

}  // namespace

SlotTable::SlotTable(std::size_t count) : slots_(map_slots(count)), count_(count) {}

// Other processes keep their mapping; munmap of a whole mapping cannot fail.
SlotTable::~SlotTable() { ::munmap(slots_, count_ * sizeof(http::Slot)); }

http::Slot& SlotTable::claim(std::int32_t process) {
  for (http::Slot& slot : all()) {
    std::int32_t expected = kFree;
    if (!slot.process.compare_exchange_strong(expected, process)) continue;
    slot.worker = static_cast<std::uint32_t>(&slot - slots_);
    ++slot.generation;
    return slot;
  }
  throw std::runtime_error("all worker slots are taken");
}

http::Slot& SlotTable::take() {
  http::Slot& slot = claim(::getpid());
  slot.thread = ::gettid();
  return slot;
}

http::Slot& SlotTable::reserve() { return claim(kReserved); }

void SlotTable::own(http::Slot& slot) {
  slot.process = ::getpid();
  slot.thread = ::gettid();
}

void SlotTable::release(http::Slot& slot) {
  for (http::Slot::Count& gauge : slot.gauges) gauge = 0;
  slot.thread = 0;
  slot.process = kFree;  // last: from here on somebody else may take it
}

http::Slot* SlotTable::release_process(pid_t process) {
  for (http::Slot& slot : used()) {
    if (slot.process != process) continue;
    release(slot);
    return &slot;
  }
  return nullptr;
}

std::size_t SlotTable::open_connections() const {
  std::size_t open = 0;
  for (const http::Slot& slot : used()) {
    for (const http::Slot::Count& gauge : slot.gauges) open += gauge.load(std::memory_order_relaxed);
  }
  return open;
}

std::span<http::Slot> SlotTable::used() const {
  // claim() takes the first free one: behind a slot that nobody ever took, none was taken.
  std::size_t count = 0;
  while (count < count_ && (slots_[count].process != kFree || slots_[count].generation != 0)) ++count;
  return {slots_, count};
}

}  // namespace quartet::app
