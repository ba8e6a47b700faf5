#include "common/routes/sessions.h"

#include <pthread.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <new>
#include <span>
#include <system_error>

#include "common/net/system.h"

namespace quartet::app {

std::optional<std::string> LocalSessions::get(std::string_view id) {
  const std::lock_guard lock(mutex_);
  const auto found = values_.find(id);
  return found == values_.end() ? std::nullopt : std::optional(found->second);
}

Stored LocalSessions::put(std::string_view id, std::string_view value) {
  const std::lock_guard lock(mutex_);
  if (const auto found = values_.find(id); found != values_.end()) {
    found->second = value;
    return Stored::replaced;
  }
  if (values_.size() >= capacity_) return Stored::full;
  values_.emplace(id, value);
  return Stored::created;
}

bool LocalSessions::erase(std::string_view id) {
  const std::lock_guard lock(mutex_);
  const auto found = values_.find(id);
  if (found == values_.end()) return false;
  values_.erase(found);
  return true;
}

/// The size of its id makes an entry exist, and is written last: a process that dies while it writes leaves a
/// free entry, and nobody ever finds half a value. That the compiler keeps the order is enough: a death, like
/// a signal handler, finds the stores of its thread done in their order, and the mutex brings them to the
/// next owner.
class SharedSessions::Entry {
 public:
  bool free() const { return id_size_.load(std::memory_order_relaxed) == 0; }
  std::string_view id() const { return {id_.data(), id_size_.load(std::memory_order_relaxed)}; }
  std::string_view value() const { return {value_.data(), value_size_}; }

  void write(std::string_view id, std::string_view value) {
    clear();
    std::ranges::copy(id, id_.begin());
    std::ranges::copy(value, value_.begin());
    value_size_ = static_cast<std::uint32_t>(value.size());
    std::atomic_signal_fence(std::memory_order_seq_cst);
    id_size_.store(static_cast<std::uint32_t>(id.size()), std::memory_order_relaxed);
  }

  void clear() {
    id_size_.store(0, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);
  }

 private:
  std::atomic<std::uint32_t> id_size_;  // 0: the entry is free
  std::uint32_t value_size_;
  std::array<char, kMostSessionId> id_;
  std::array<char, kMostSessionValue> value_;
};

/// What is mapped; the entries come behind it.
struct SharedSessions::Table {
  pthread_mutex_t mutex;
  std::size_t used = 0;  ///< no entry from here on was ever written: looking at one would touch its page

  static std::size_t size(std::size_t capacity) { return sizeof(Table) + capacity * sizeof(Entry); }
  // Zeroed pages are free entries already.
  Entry* entries() { return reinterpret_cast<Entry*>(this + 1); }
  std::span<Entry> all() { return {entries(), used}; }
};

/// Robust: when its owner dies, the kernel hands the mutex on with EOWNERDEAD. An ordinary one would stay
/// locked for ever.
class SharedSessions::Lock {
 public:
  static void init(pthread_mutex_t& mutex) {
    pthread_mutexattr_t attributes;
    require(::pthread_mutexattr_init(&attributes));
    require(::pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED));
    require(::pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST));
    require(::pthread_mutex_init(&mutex, &attributes));
    ::pthread_mutexattr_destroy(&attributes);  // does nothing on Linux
  }

  explicit Lock(Table& table) : mutex_(table.mutex) {
    int error = ::pthread_mutex_lock(&mutex_);
    // The table needs no repair (see Entry): the session that the dead owner was writing is dropped.
    if (error == EOWNERDEAD) error = ::pthread_mutex_consistent(&mutex_);
    require(error);
  }
  ~Lock() { ::pthread_mutex_unlock(&mutex_); }  // by its owner: cannot fail
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  static void require(int error) {
    if (error != 0) throw std::system_error(error, std::generic_category(), "mutex of the shared sessions");
  }

  pthread_mutex_t& mutex_;
};

SharedSessions::SharedSessions(std::size_t capacity) : capacity_(capacity) {
  void* memory = ::mmap(nullptr, Table::size(capacity), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) net::throw_errno("mmap of the shared sessions");
  table_ = new (memory) Table;
  Lock::init(table_->mutex);
}

// Other processes keep their mapping, and the mutex with it; munmap of a whole mapping cannot fail.
SharedSessions::~SharedSessions() { ::munmap(table_, Table::size(capacity_)); }

SharedSessions::Entry* SharedSessions::find(std::string_view id) const {
  const auto entries = table_->all();
  const auto found = std::ranges::find(entries, id, &Entry::id);
  return found == entries.end() ? nullptr : &*found;
}

/// @return a free entry, or null
SharedSessions::Entry* SharedSessions::claim() {
  const auto entries = table_->all();
  const auto found = std::ranges::find_if(entries, &Entry::free);
  if (found != entries.end()) return &*found;
  if (table_->used == capacity_) return nullptr;
  return &table_->entries()[table_->used++];
}

std::optional<std::string> SharedSessions::get(std::string_view id) {
  const Lock lock(*table_);
  const Entry* entry = find(id);
  return entry == nullptr ? std::nullopt : std::optional<std::string>(entry->value());
}

Stored SharedSessions::put(std::string_view id, std::string_view value) {
  const Lock lock(*table_);
  Entry* entry = find(id);
  const Stored stored = entry == nullptr ? Stored::created : Stored::replaced;
  if (entry == nullptr) entry = claim();
  if (entry == nullptr) return Stored::full;
  entry->write(id, value);
  return stored;
}

bool SharedSessions::erase(std::string_view id) {
  const Lock lock(*table_);
  Entry* entry = find(id);
  if (entry == nullptr) return false;
  entry->clear();
  return true;
}

}  // namespace quartet::app
