#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "common/http/slot.h"

namespace quartet::app {

/// What the file says of the server as a whole: its first page. Written before the first fork, but for the
/// atomics.
struct Board {
  using Text = std::array<char, 64>;  // ends in at least one '\0'

  std::array<char, 8> magic;  ///< "QUARTET\0", written last
  std::uint32_t version;
  std::uint32_t slot_bytes;
  std::uint64_t slot_count;
  Text model;                   ///< "quartet-fork"
  Text mode;                    ///< "prefork", or empty
  Text address;                 ///< "127.0.0.1:8080"
  std::int32_t process;         ///< pid of the one that made the file: the server, or its supervisor
  std::uint32_t supervised;     ///< 1: that process restarts its workers
  std::uint64_t pid_namespace;  ///< inode of /proc/self/ns/pid, where its pids mean something
  std::int64_t unix_seconds;    ///< start
  http::FlightRecord::TimePoint::rep started;  ///< steady clock

  std::atomic<http::FlightRecord::TimePoint::rep> draining;  ///< steady clock; 0: not draining
  http::Slot::Count replaced;                                ///< workers started in the place of others
  http::Slot::Count cut;          ///< connections cut at the drain timeout, beside Slot::cut
  std::atomic<bool> ready;        ///< a supervised server can serve
  std::atomic<bool> handed_over;  ///< a supervised server drains: the supervisor may close its listener
};

/// A shared mapping of a file, or of anonymous memory.
class SharedMemory {
 public:
  /// @param descriptor -1: anonymous. @throws std::system_error
  SharedMemory(int descriptor, std::size_t size, int protection);
  ~SharedMemory();
  SharedMemory(SharedMemory&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(other.size_) {}
  SharedMemory& operator=(SharedMemory&&) = delete;

  void* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  void* data_;
  std::size_t size_;
};

class FreshFile;

/// The slots of all workers, in memory that forks share and, where it has a file, that outlives a crash and
/// can be read while every worker hangs (the idea is Apache's). Slots that nobody took cost no memory.
class Scoreboard {
 public:
  /// In anonymous memory. @throws std::system_error when it cannot be mapped
  explicit Scoreboard(std::size_t count);
  /// In a new file, which takes the place of an older scoreboard. @throws std::runtime_error in one sentence,
  /// also where the old file is no scoreboard
  Scoreboard(const std::filesystem::path& path, std::size_t count);
  Scoreboard(const Scoreboard&) = delete;
  Scoreboard& operator=(const Scoreboard&) = delete;

  /// Removes the file, unless another server has replaced it by its own.
  void remove_file();

  /// Takes the first free slot for the calling thread. Safe against every other process and thread.
  /// @throws std::runtime_error when all are taken
  http::Slot& take();
  /// Takes the first free slot for a process that is about to be forked. The parent then stores the child's
  /// pid in Slot::process (the child may die before it calls own()), and frees the slot after reaping it.
  /// @throws std::runtime_error when all are taken
  http::Slot& reserve();
  /// The calling thread owns the slot that its parent reserved.
  static void own(http::Slot& slot);
  /// Frees it: gauges go to 0 (a crash leaves them behind), counters stay.
  static void release(http::Slot& slot);
  /// Connections that a process has open, over all its slots.
  std::size_t open_connections(pid_t process) const;
  /// Requests whose handlers have returned in a process, over all its slots.
  std::uint64_t answered(pid_t process) const;
  /// Frees the slots of a process that left and was reaped.
  void release_process(pid_t process);
  /// Frees the slots of a process that died and was reaped, but keeps its last words: how it died, and
  /// running what.
  /// @param status as from waitpid(2). @return the requests whose handlers were running
  std::vector<std::string> bury(pid_t process, int status);

  Board& board() { return *static_cast<Board*>(memory_.data()); }
  const Board& board() const { return *static_cast<const Board*>(memory_.data()); }
  std::span<http::Slot> all() const;
  /// All slots that were ever taken.
  std::span<http::Slot> used() const;

 private:
  Scoreboard(FreshFile&& file, std::size_t count);
  http::Slot& claim(std::int32_t process);

  SharedMemory memory_;
  std::filesystem::path path_;  // empty: none
  ino_t inode_ = 0;
};

/// A scoreboard file, seen from outside: read-only.
class ScoreboardReader {
 public:
  /// @throws std::runtime_error in one sentence, also for a file that is no scoreboard of this version
  explicit ScoreboardReader(const std::filesystem::path& path);

  const Board& board() const { return *static_cast<const Board*>(memory_.data()); }
  std::span<const http::Slot> used() const;
  /// Another file has taken its place, or none: that server has started anew, or has ended.
  bool replaced() const;

 private:
  std::filesystem::path path_;
  ino_t inode_ = 0;
  SharedMemory memory_;
};

/// The inode of this process's pid namespace (pid_namespaces(7)); 0 when procfs does not tell.
std::uint64_t pid_namespace();

}  // namespace quartet::app
