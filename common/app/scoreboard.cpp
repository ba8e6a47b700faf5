#include "common/app/scoreboard.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <system_error>

#include "common/net/fd.h"
#include "common/net/system.h"

namespace quartet::app {
namespace {

constexpr std::int32_t kFree = 0;
constexpr std::int32_t kReserved = -1;  // for a process that is not named yet
constexpr std::array<char, 8> kMagic{"QUARTET"};
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kBoardBytes = 4096;  // a page of its own: it is read often and hardly ever written

static_assert(sizeof(Board) <= kBoardBytes);
static_assert(kBoardBytes % alignof(http::Slot) == 0);

std::size_t size_for(std::size_t slots) { return kBoardBytes + slots * sizeof(http::Slot); }

http::Slot* slots_of(const SharedMemory& memory) {
  return reinterpret_cast<http::Slot*>(static_cast<char*>(memory.data()) + kBoardBytes);
}

// claim() takes the first free one: behind a slot that nobody ever took, none was taken.
std::size_t count_used(const http::Slot* slots, std::size_t count) {
  std::size_t used = 0;
  while (used < count && (slots[used].process != kFree || slots[used].generation != 0)) ++used;
  return used;
}

/// Zeroed memory holds free slots already; constructing them would touch every page.
void describe_layout(Board& board, std::size_t slots) {
  board.version = kVersion;
  board.slot_bytes = sizeof(http::Slot);
  board.slot_count = slots;
  board.magic = kMagic;
}

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& why) {
  throw std::runtime_error("scoreboard " + path.string() + ": " + why);
}

[[noreturn]] void fail(const std::filesystem::path& path) {
  fail(path, std::generic_category().message(errno));
}

/// @return 0 where there is no such file
ino_t inode_of(const std::filesystem::path& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

/// Nobody's file is destroyed by a slip in the command line. @throws std::runtime_error
void check_replaceable(const std::filesystem::path& path) {
  std::array<char, 8> magic{};
  const net::Fd old(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!old && errno == ENOENT) return;
  if (!old) fail(path);
  if (::read(old.get(), magic.data(), magic.size()) != sizeof magic || magic != kMagic)
    fail(path, "exists and is no scoreboard; it was left alone");
}

net::Fd open_file(const std::filesystem::path& path) {
  net::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));  // a FIFO would wait for its writer
  if (!file) fail(path);
  return file;
}

struct stat status_of(const net::Fd& file) {
  struct stat status {};
  net::check(::fstat(file.get(), &status), "fstat");
  return status;
}

}  // namespace

/// A file that appears at its place complete, or not at all: a reader of the old one keeps the old one.
class FreshFile {
 public:
  FreshFile(std::filesystem::path path, std::size_t size)
      : path_(std::move(path)), name_(path_.string() + "." + std::to_string(::getpid())) {
    check_replaceable(path_);
    file_ = net::Fd(::open(name_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644));
    if (!file_) fail(path_);
    // The rest stays a hole. A full file system must be found out here: later it would be a SIGBUS.
    constexpr std::size_t kFirstSlots = 64;
    const auto first = static_cast<off_t>(std::min(size, size_for(kFirstSlots)));
    const bool made = ::ftruncate(file_.get(), static_cast<off_t>(size)) == 0 &&
                      (errno = ::posix_fallocate(file_.get(), 0, first)) == 0;
    if (!made) give_up();
  }
  ~FreshFile() { ::unlink(name_.c_str()); }  // fails where it was published, as it should
  FreshFile(const FreshFile&) = delete;
  FreshFile& operator=(const FreshFile&) = delete;

  const std::filesystem::path& path() const { return path_; }
  int descriptor() const { return file_.get(); }
  void publish() {
    if (::rename(name_.c_str(), path_.c_str()) != 0) give_up();
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
  net::Fd file_;
};

SharedMemory::SharedMemory(int descriptor, std::size_t size, int protection) : size_(size) {
  const int flags = descriptor < 0 ? MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED;
  data_ = ::mmap(nullptr, size, protection, flags, descriptor, 0);
  if (data_ == MAP_FAILED) net::throw_errno("mmap of the scoreboard");
}

SharedMemory::~SharedMemory() {
  if (data_ != nullptr) ::munmap(data_, size_);  // of a whole mapping: cannot fail
}

// --- the server's side

Scoreboard::Scoreboard(std::size_t count) : memory_(-1, size_for(count), PROT_READ | PROT_WRITE) {
  describe_layout(board(), count);
}

Scoreboard::Scoreboard(const std::filesystem::path& path, std::size_t count)
    : Scoreboard(FreshFile(path, size_for(count)), count) {}

Scoreboard::Scoreboard(FreshFile&& file, std::size_t count)
    : memory_(file.descriptor(), size_for(count), PROT_READ | PROT_WRITE), path_(file.path()) {
  describe_layout(board(), count);
  file.publish();
  inode_ = inode_of(path_);
}

void Scoreboard::remove_file() {
  if (path_.empty() || inode_of(path_) != inode_) return;
  ::unlink(path_.c_str());  // whoever was faster did the same
}

std::span<http::Slot> Scoreboard::all() const { return {slots_of(memory_), board().slot_count}; }

std::span<http::Slot> Scoreboard::used() const {
  return all().first(count_used(slots_of(memory_), board().slot_count));
}

http::Slot& Scoreboard::claim(std::int32_t process) {
  for (http::Slot& slot : all()) {
    std::int32_t expected = kFree;
    if (!slot.process.compare_exchange_strong(expected, process)) continue;
    slot.worker = static_cast<std::uint32_t>(&slot - all().data());
    ++slot.generation;
    slot.requests_before = slot.requests.load();
    slot.running.end();  // of the one before
    return slot;
  }
  throw std::runtime_error("all worker slots are taken");
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
  slot.running.end();
  slot.thread = 0;
  slot.process = kFree;  // last: from here on somebody else may take it
}

std::size_t Scoreboard::open_connections(pid_t process) const {
  std::size_t open = 0;
  for (const http::Slot& slot : used()) {
    if (slot.process != process) continue;
    for (const http::Slot::Count& gauge : slot.gauges) open += gauge.load(std::memory_order_relaxed);
  }
  return open;
}

std::uint64_t Scoreboard::answered(pid_t process) const {
  std::uint64_t answered = 0;
  for (const http::Slot& slot : used()) {
    if (slot.process != process) continue;
    answered += slot.requests - slot.requests_before - (slot.running.read() ? 1 : 0);
  }
  return answered;
}

void Scoreboard::release_process(pid_t process) {
  for (http::Slot& slot : used()) {
    if (slot.process == process) release(slot);
  }
}

std::vector<std::string> Scoreboard::bury(pid_t process, int status) {
  std::vector<std::string> requests;
  for (http::Slot& slot : used()) {
    if (slot.process != process) continue;
    if (const auto running = slot.running.read()) requests.push_back(running->request);
    http::add(slot.death.count);
    slot.death.process = process;
    slot.death.status = status;
    slot.death.generation = slot.generation.load();
    slot.death.unix_seconds = net::now().unix_seconds;
    slot.death.request.copy(slot.running);
    release(slot);
  }
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
  return {slots, count_used(slots, board().slot_count)};
}

bool ScoreboardReader::replaced() const { return inode_of(path_) != inode_; }

std::uint64_t pid_namespace() {
  struct stat status {};
  return ::stat("/proc/self/ns/pid", &status) == 0 ? status.st_ino : 0;
}

}  // namespace quartet::app
