#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "common/http/slot.h"
#include "common/net/fd.h"
#include "common/scoreboard/shared_memory.h"

namespace quartet::app {

/// What the file says of the server as a whole: its first page. Written before the first fork, but for the
/// atomics.
struct Board {
  using Text = std::array<char, 64>;  // ends in at least one '\0'

  std::array<char, 8> magic;  ///< "QUARTET\0", written last
  std::uint32_t version;
  std::uint32_t slot_bytes;
  std::uint64_t slot_count;
  Text model;                    ///< "quartet-fork"
  Text mode;                     ///< "prefork", or empty
  Text address;                  ///< "127.0.0.1:8080"
  std::int32_t process;          ///< pid of the one that made the file: the server, or its supervisor
  std::uint32_t supervised;      ///< 1: that process restarts its workers
  std::uint64_t pid_namespace;   ///< inode of /proc/self/ns/pid, where its pids mean something
  std::int64_t unix_seconds;     ///< start
  http::TimePoint::rep started;  ///< steady clock

  std::atomic<http::TimePoint::rep> draining;  ///< steady clock; 0: not draining
  http::Slot::Count replaced;                  ///< workers started in the place of others
  http::Slot::Count cut;                       ///< connections cut at the drain timeout, beside Slot::cut
  std::atomic<bool> ready;                     ///< a supervised server can serve
  std::atomic<bool> handed_over;  ///< a supervised server drains: the supervisor may close its listener

  std::atomic<std::uint64_t> backed;  ///< so many slots have memory; nobody may touch the others
  std::atomic<bool> full;             ///< the next ones could not get any: further workers are not shown
  std::atomic<bool> lost;             ///< somebody has truncated the file; not in the file
};

/// Its server drains: the listener is closed, and the next server may have come.
bool is_draining(const Board& board);
/// Its server, or supervisor, is known to have died. Nothing is known of those in other pid namespaces.
bool is_dead(const Board& board);

class FreshFile;

/// The slots of all workers, in memory that forks share and, where it has a file, that outlives a crash and
/// can be read while every worker hangs (the idea is Apache's). Slots that nobody took cost no memory. When
/// the file cannot grow, or has no slot left, workers get slots that nobody sees: the server goes on, and
/// says so.
class Scoreboard {
 public:
  /// In anonymous memory. @throws std::system_error when it cannot be mapped
  explicit Scoreboard(std::size_t count);
  /// In a new file, which takes the place of an older scoreboard. @throws std::runtime_error in one sentence,
  /// also where the old file is no scoreboard, or a living server's that does not drain
  Scoreboard(const std::filesystem::path& path, std::size_t count);
  Scoreboard(const Scoreboard&) = delete;
  Scoreboard& operator=(const Scoreboard&) = delete;

  /// The board's description is complete: from here on a truncation of the file cannot take it away.
  void keep_description();
  /// Removes the file, unless another server has replaced it by its own.
  void remove_file();

  /// Takes the first free slot for the calling thread. Safe against every other process and thread.
  http::Slot& take();
  /// Takes the first free slot for a process that is about to be forked. The parent then stores the child's
  /// pid in Slot::process (the child may die before it calls own()), and frees the slot after reaping it.
  http::Slot& reserve();
  /// The calling thread owns the slot that its parent took or reserved.
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
  /// All slots that were ever taken, and that others can see.
  std::span<http::Slot> used() const;

 private:
  Scoreboard(FreshFile&& file, std::size_t count);
  Board& spare_board() const { return *static_cast<Board*>(spare_.data()); }
  std::span<http::Slot> backed() const;
  std::span<http::Slot> hidden() const;
  template <typename Visit>
  void for_each_of(pid_t process, const Visit& visit) const;
  http::Slot& claim(std::int32_t process);
  bool grow(std::size_t backed);

  const std::size_t count_;
  std::filesystem::path path_;  // empty: none
  net::Fd file_;                // to grow; its lock says that the server lives
  SharedMemory memory_;
  // As large, anonymous. From its begin, pages that the file has lost; from its end, slots that nobody sees.
  // Only a server that has both in great numbers would let two workers count in one slot.
  SharedMemory spare_;
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
  /// @throws std::runtime_error in one sentence when what was read since it was opened is not all true:
  /// somebody has truncated the file
  void check_intact() const;

 private:
  std::filesystem::path path_;
  ino_t inode_ = 0;
  SharedMemory memory_;
};

/// The inode of this process's pid namespace (pid_namespaces(7)); 0 when procfs does not tell.
std::uint64_t pid_namespace();

}  // namespace quartet::app
