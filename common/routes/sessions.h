#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace quartet::app {

inline constexpr std::size_t kMostSessions = 1024;      ///< per table
inline constexpr std::size_t kMostSessionId = 64;       ///< bytes; at least one
inline constexpr std::size_t kMostSessionValue = 1024;  ///< bytes

/// What put() did.
enum class Stored : std::uint8_t { created, replaced, full };

/// Sessions in ordinary memory: this process's, and gone with it. Safe among its threads.
class LocalSessions {
 public:
  explicit LocalSessions(std::size_t capacity = kMostSessions) : capacity_(capacity) {}

  std::optional<std::string> get(std::string_view id);
  Stored put(std::string_view id, std::string_view value);
  /// @return whether it was there
  bool erase(std::string_view id);

 private:
  std::mutex mutex_;
  std::map<std::string, std::string, std::less<>> values_;
  std::size_t capacity_;
};

/// Sessions in anonymous memory that forks share: a process that maps them before it forks keeps them,
/// whatever its children do. Safe among threads and processes, and against the death of one of them at any
/// instruction. Sessions that nobody stored cost no memory.
class SharedSessions {
 public:
  /// @throws std::system_error when they cannot be mapped
  explicit SharedSessions(std::size_t capacity = kMostSessions);
  ~SharedSessions();
  SharedSessions(const SharedSessions&) = delete;
  SharedSessions& operator=(const SharedSessions&) = delete;

  std::optional<std::string> get(std::string_view id);
  /// Neither may be longer than the constants above say.
  Stored put(std::string_view id, std::string_view value);
  /// @return whether it was there
  bool erase(std::string_view id);

 private:
  struct Table;
  class Entry;
  class Lock;

  Entry* find(std::string_view id) const;
  Entry* claim();

  std::size_t capacity_;
  Table* table_;
};

}  // namespace quartet::app
