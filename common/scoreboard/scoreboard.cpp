#include "common/scoreboard/scoreboard.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <stdexcept>
#include <system_error>

#include "common/net/system.h"
#include "common/program/log.h"
#include "common/scoreboard/liveness.h"

namespace quartet::app {
namespace {

constexpr std::int32_t kFree = 0;
constexpr std::int32_t kReserved = -1;  // for a process that is not named yet
constexpr std::array<char, 8> kMagic{"QUARTET"};
constexpr std::uint32_t kVersion = 3;
constexpr std::size_t kBoardBytes = 4096;  // a page of its own: it is read often and hardly ever written
constexpr std::size_t kSlotsAtOnce = 64;   // as many whole pages as a slot has cache lines: 8 of 4096 bytes

static_assert(sizeof(Board) <= kBoardBytes);
static_assert(kBoardBytes % alignof(http::Slot) == 0);

std::size_t size_for(std::size_t slots) { return kBoardBytes + slots * sizeof(http::Slot); }

http::Slot* slots_of(const SharedMemory& memory) {
  return reinterpret_cast<http::Slot*>(static_cast<char*>(memory.data()) + kBoardBytes);
}

bool was_used(const http::Slot& slot) { return slot.process != kFree || slot.generation != 0; }

// claim() takes the first free one: behind a slot that nobody ever took, none was taken.
std::size_t count_used(const http::Slot* slots, std::size_t count) {
  return static_cast<std::size_t>(std::find_if_not(slots, slots + count, was_used) - slots);
}

/// @param table what the slots are numbered in. @return the first free one from begin on, or null
template <typename Iterator>
http::Slot* claim_first(Iterator begin, Iterator end, std::span<http::Slot> table, std::int32_t process) {
  for (; begin != end; ++begin) {
    http::Slot& slot = *begin;
    std::int32_t expected = kFree;
    if (!slot.process.compare_exchange_strong(expected, process)) continue;
    slot.worker = static_cast<std::uint32_t>(&slot - table.data());
    ++slot.generation;
    slot.requests_before = slot.requests.load();
    slot.running.end();  // of the one before
    return &slot;
  }
  return nullptr;
}

/// Zeroed memory holds free slots already; constructing them would touch every page.
void describe_layout(Board& board, std::size_t slots) {
  board.version = kVersion;
  board.slot_bytes = sizeof(http::Slot);
  board.slot_count = slots;
  board.process = ::getpid();
  board.pid_namespace = pid_namespace();
  const auto now = net::now();
  board.unix_seconds = now.unix_seconds;
  board.started = now.steady.time_since_epoch().count();
  board.magic = kMagic;
}

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& why) {
  throw std::runtime_error("scoreboard " + path.string() + ": " + why);
}

[[noreturn]] void fail(const std::filesystem::path& path) { net::throw_errno("scoreboard " + path.string()); }

/// @return 0 where there is no such file
ino_t inode_of(const std::filesystem::path& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

/// Every server keeps its file locked, and its workers share the lock. Only a lock (flock(2)) can be seen
/// from other namespaces. But orphans hold it, too, and must not keep the next server from starting.
/// @return whether a server lives there that still listens. Otherwise the file is locked as long as it is
/// open
bool is_in_use(const net::Fd& file, const Board& board) {
  if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) return false;
  const bool locked = errno == EWOULDBLOCK;  // otherwise its file system has no locks: only pids can tell
  if (!locked && board.pid_namespace != pid_namespace()) return false;
  return !is_draining(board) && !is_dead(board);
}

/// A wrong path on the command line must not destroy a file, and a living server must keep its own.
/// @return the old file, or nothing where there is none. @throws std::runtime_error
net::Fd open_replaceable(const std::filesystem::path& path) {
  net::Fd old(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!old && errno == ENOENT) return old;
  if (!old && errno == ELOOP) fail(path, "is a symbolic link; it was left alone");
  if (!old) fail(path);
  Board board{};
  const auto bytes = ::pread(old.get(), static_cast<void*>(&board), sizeof board, 0);
  if (bytes < static_cast<ssize_t>(sizeof board.magic) || board.magic != kMagic)
    fail(path, "exists and is no scoreboard; it was left alone");
  if (board.version == kVersion && is_in_use(old, board))
    fail(path, fmt::format("is in use by process {}", board.process));
  return old;
}

net::Fd open_file(const std::filesystem::path& path) {
  net::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));  // a FIFO would wait for its writer
  if (!file) fail(path);
  return file;
}

/// @return false with errno set. Does not make the file larger: what somebody has cut off stays off.
bool allocate(const net::Fd& file, off_t begin, off_t size) {
  int result = 0;
  do {
    result = ::fallocate(file.get(), FALLOC_FL_KEEP_SIZE, begin, size);
  } while (result != 0 && errno == EINTR);
  if (result == 0 || errno != EOPNOTSUPP) return result == 0;
  errno = ::posix_fallocate(file.get(), begin, size);  // writes into every block
  return errno == 0;
}

struct stat status_of(const net::Fd& file) {
  struct stat status {};
  net::check(::fstat(file.get(), &status), "fstat");
  return status;
}

}  // namespace

/// A new file, which is complete when it takes its place. A process that reads the old file keeps the old
/// file.
class FreshFile {
 public:
  FreshFile(std::filesystem::path path, std::size_t size)
      : path_(std::move(path)), name_(path_.string() + "." + std::to_string(::getpid())) {
    old_ = open_replaceable(path_);
    file_ = net::Fd(::open(name_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644));
    if (!file_) fail(path_);
    ::flock(file_.get(), LOCK_EX | LOCK_NB);  // where there are no locks, pids have to do
    // The rest stays a hole. A full file system must be found out before a slot is touched.
    const auto first = static_cast<off_t>(std::min(size, size_for(kSlotsAtOnce)));
    const bool made = ::ftruncate(file_.get(), static_cast<off_t>(size)) == 0 && allocate(file_, 0, first);
    if (!made) give_up();
  }
  ~FreshFile() { ::unlink(name_.c_str()); }  // fails where it was renamed, as it should
  FreshFile(const FreshFile&) = delete;
  FreshFile& operator=(const FreshFile&) = delete;

  const std::filesystem::path& path() const { return path_; }
  int descriptor() const { return file_.get(); }
  /// @return the descriptor
  net::Fd publish() {
    // Unlike rename(2), link(2) takes nothing away from a server that was faster. Some file systems have no
    // links.
    const bool linked = !old_ && ::link(name_.c_str(), path_.c_str()) == 0;
    const bool no_links = errno == EPERM || errno == EOPNOTSUPP;
    const bool renamed = (old_ || (!linked && no_links)) && ::rename(name_.c_str(), path_.c_str()) == 0;
    if (!linked && !renamed) give_up();
    return std::move(file_);
  }

 private:
  [[noreturn]] void give_up() {
    const int error = errno;
    ::unlink(name_.c_str());  // the first failure is the one to report
    errno = error;
    fail(path_);
  }

  std::filesystem::path path_;
  std::filesystem::path name_;  // until then
  net::Fd old_;                 // locked, where it can be: a server that comes second sees it
  net::Fd file_;
};

// --- the server's side

Scoreboard::Scoreboard(std::size_t count)
    : count_(count),
      memory_(-1, size_for(count), PROT_READ | PROT_WRITE),
      spare_(-1, size_for(count), PROT_READ | PROT_WRITE) {
  describe_layout(board(), count);
  board().backed = count;
}

Scoreboard::Scoreboard(const std::filesystem::path& path, std::size_t count)
    : Scoreboard(FreshFile(path, size_for(count)), count) {}

Scoreboard::Scoreboard(FreshFile&& file, std::size_t count)
    : count_(count),
      path_(file.path()),
      memory_(file.descriptor(), size_for(count), PROT_READ | PROT_WRITE),
      spare_(-1, size_for(count), PROT_READ | PROT_WRITE) {
  describe_layout(board(), count);
  board().backed = std::min(count, kSlotsAtOnce);
  file_ = file.publish();
  inode_ = inode_of(path_);
  keep_description();
}

void Scoreboard::keep_description() {
  std::memcpy(spare_.data(), memory_.data(), sizeof(Board));
  const auto sentence = log_text(fmt::format(
      "scoreboard {}: somebody has truncated it; what it counted is lost, and quartet-top cannot read it",
      path_.string()));
  memory_.set_spare({spare_.data(), &spare_board().lost, sentence});
}

void Scoreboard::remove_file() {
  if (path_.empty() || inode_of(path_) != inode_) return;
  ::unlink(path_.c_str());  // fails only where another server has done the same
}

std::span<http::Slot> Scoreboard::all() const { return {slots_of(memory_), count_}; }

std::span<http::Slot> Scoreboard::backed() const {
  return all().first(std::min<std::size_t>(board().backed, count_));
}

std::span<http::Slot> Scoreboard::used() const {
  return all().first(count_used(slots_of(memory_), backed().size()));
}

/// The slots that are not in the file.
std::span<http::Slot> Scoreboard::hidden() const { return {slots_of(spare_), count_}; }

/// @param backed so many slots have memory, and were taken a moment ago. @return whether there are more by
/// now
bool Scoreboard::grow(std::size_t backed) {
  if (board().full) return false;
  const auto more = std::min(kSlotsAtOnce, count_ - backed);
  const bool grown = more > 0 && (memory_.lost() || allocate(file_, static_cast<off_t>(size_for(backed)),
                                                             static_cast<off_t>(more * sizeof(http::Slot))));
  if (grown) {
    std::uint64_t expected = backed;
    board().backed.compare_exchange_strong(expected, backed + more);  // or somebody else was faster
  } else if (const int error = errno; !board().full.exchange(true)) {
    const auto why = more > 0 ? std::generic_category().message(error) : "all slots are taken";
    log_line(fmt::format("scoreboard{}: {}; further workers are not shown",
                         path_.empty() ? "" : " " + path_.string(), why));
  }
  return grown;
}

http::Slot& Scoreboard::claim(std::int32_t process) {
  for (auto slots = backed();; slots = backed()) {
    if (http::Slot* slot = claim_first(slots.begin(), slots.end(), slots, process)) return *slot;
    if (!grow(slots.size())) break;
  }
  const auto unseen = hidden();
  if (http::Slot* slot = claim_first(unseen.rbegin(), unseen.rend(), unseen, process)) return *slot;
  return unseen.front();  // shared then: counts get lost, and nothing else
}

http::Slot& Scoreboard::take() {
  http::Slot& slot = claim(::getpid());
  slot.thread = ::gettid();
  return slot;
}

http::Slot& Scoreboard::reserve() { return claim(kReserved); }

void Scoreboard::own(http::Slot& slot) {
  slot.process = ::getpid();
  slot.thread = ::gettid();
}

void Scoreboard::release(http::Slot& slot) {
  for (http::Slot::Count& gauge : slot.gauges) gauge = 0;
  for (http::Slot::Count& departed : slot.departed) departed = 0;
  slot.running.end();
  slot.thread = 0;
  slot.process = kFree;  // last: from here on somebody else may take it
}

template <typename Visit>
void Scoreboard::for_each_of(pid_t process, const Visit& visit) const {
  const auto visit_if_its = [&](http::Slot& slot) {
    if (slot.process == process) visit(slot);
  };
  std::ranges::for_each(used(), visit_if_its);
  if (!board().full) return;
  const auto slots = hidden();  // they are taken from the end
  std::for_each(slots.rbegin(), std::find_if_not(slots.rbegin(), slots.rend(), was_used), visit_if_its);
}

std::size_t Scoreboard::open_connections(pid_t process) const {
  std::size_t open = 0;
  for_each_of(process, [&](const http::Slot& slot) {
    for (std::size_t phase = 0; phase < http::kPhases; ++phase) open += slot.open(phase);
  });
  return open;
}

std::uint64_t Scoreboard::answered(pid_t process) const {
  std::uint64_t answered = 0;
  for_each_of(process, [&](const http::Slot& slot) {
    answered += slot.requests - slot.requests_before - (slot.running.read() ? 1 : 0);
  });
  return answered;
}

void Scoreboard::release_process(pid_t process) { for_each_of(process, release); }

std::vector<std::string> Scoreboard::bury(pid_t process, int status) {
  std::vector<std::string> requests;
  for_each_of(process, [&](http::Slot& slot) {
    if (const auto running = slot.running.read()) requests.push_back(running->request);
    http::add(slot.death.count);
    slot.death.process = process;
    slot.death.status = status;
    slot.death.generation = slot.generation.load();
    slot.death.unix_seconds = net::now().unix_seconds;
    slot.death.request.copy(slot.running);
    release(slot);
  });
  return requests;
}

// --- the reader's side

ScoreboardReader::ScoreboardReader(const std::filesystem::path& path)
    : path_(path), memory_([&] {
        const net::Fd file = open_file(path);
        const auto status = status_of(file);
        inode_ = status.st_ino;
        const auto size = static_cast<std::size_t>(status.st_size);
        if (!S_ISREG(status.st_mode) || size < kBoardBytes) fail(path, "is no scoreboard");
        return SharedMemory(file.get(), size, PROT_READ);
      }()) {
  if (board().magic != kMagic) fail(path, "is no scoreboard");
  if (board().version != kVersion || board().slot_bytes != sizeof(http::Slot))
    fail(path, "was written by another version of Quartet");
  // Divided, not multiplied: a number that somebody made up must not overflow into the right size.
  if ((memory_.size() - kBoardBytes) / sizeof(http::Slot) != board().slot_count)
    fail(path, "is truncated: it does not hold as many slots as it says");
}

std::span<const http::Slot> ScoreboardReader::used() const {
  const http::Slot* slots = slots_of(memory_);
  const auto most = (memory_.size() - kBoardBytes) / sizeof(http::Slot);  // whatever the board says by now
  return {slots, count_used(slots, std::min<std::size_t>(board().backed, most))};
}

void ScoreboardReader::check_intact() const {
  if (memory_.lost() || board().magic != kMagic) fail(path_, "was truncated while it was read");
}

bool ScoreboardReader::replaced() const { return inode_of(path_) != inode_; }

bool is_draining(const Board& board) { return board.draining != 0; }

bool is_dead(const Board& board) {
  if (board.pid_namespace == 0 || board.pid_namespace != pid_namespace()) return false;
  const auto started = http::TimePoint(http::TimePoint::duration(board.started));
  return life_of(board.process, {.at_least_old = net::now().steady - started}) == Life::dead;
}

std::uint64_t pid_namespace() {
  struct stat status {};
  return ::stat("/proc/self/ns/pid", &status) == 0 ? status.st_ino : 0;
}

}  // namespace quartet::app
