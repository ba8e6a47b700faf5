#include "common/net/systemd.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <functional>

#include "common/net/listener.h"
#include "common/net/system.h"
#include "tests/net/client_socket.h"

namespace quartet::net {
namespace {

/// Runs it in a child, whose environment and descriptors are its own. @return whether it said yes
bool in_child(const std::function<bool()>& body) {
  const pid_t child = check(fork(), "fork");
  if (child == 0) _exit(body() ? 0 : 1);
  int status = 0;
  check(waitpid(child, &status, 0), "waitpid");
  return status == 0;
}

void pass(int descriptor, const char* count = "1", pid_t process = getpid()) {
  check(dup2(descriptor, 3), "dup2");
  setenv("LISTEN_PID", std::to_string(process).c_str(), 1);
  setenv("LISTEN_FDS", count, 1);
}

TEST(PassedSocket, IsNothingWhereNobodyPassedOne) { EXPECT_FALSE(passed_socket()); }

TEST(PassedSocket, IsDescriptorThreeAndNotForChildren) {
  const Listener listener(Address::parse("127.0.0.1:0"));
  EXPECT_TRUE(in_child([&] {
    pass(listener.descriptor());
    const auto passed = passed_socket();
    return passed && passed->get() == 3 && fcntl(3, F_GETFD) == FD_CLOEXEC &&
           getenv("LISTEN_FDS") == nullptr && getenv("LISTEN_PID") == nullptr;
  }));
}

TEST(PassedSocket, IsNotOursWhenMeantForAnotherProcess) {
  EXPECT_TRUE(in_child([] {
    pass(0, "1", getppid());
    return !passed_socket();
  }));
}

TEST(PassedSocket, IsOneAtMost) {
  EXPECT_TRUE(in_child([] {
    pass(0, "2");
    try {
      passed_socket();
    } catch (const std::runtime_error& error) {
      return std::string(error.what()) == "LISTEN_FDS=2: one listening socket can be served, not several";
    }
    return false;
  }));
}

TEST(PassedListener, ServesOnTheSocketOfAnother) {
  for (const char* address : {"127.0.0.1:0", "[::1]:0"}) {
    const Listener owner(Address::parse(address));
    Listener passed(Fd(dup(owner.descriptor())));
    EXPECT_EQ(passed.address().to_string(), owner.address().to_string());
    const Fd client = connect_to(passed.address());
    EXPECT_TRUE(passed.accept());
  }
}

TEST(PassedListener, LeavesTheSocketToItsOwner) {
  Listener owner(Address::parse("127.0.0.1:0"));
  Listener passed(Fd(dup(owner.descriptor())));
  passed.stop();
  passed.close();
  const Fd client = connect_to(owner.address());
  EXPECT_TRUE(owner.accept());
}

std::string complaint(int descriptor) {
  try {
    const Listener listener{Fd(descriptor)};
  } catch (const std::runtime_error& error) {
    const std::string text = error.what();
    return text.substr(text.find(": ") + 2);
  }
  return "";
}

TEST(PassedListener, IsAListeningTcpSocket) {
  EXPECT_EQ(complaint(socket(AF_INET, SOCK_STREAM, 0)), "it is no listening socket");
  EXPECT_EQ(complaint(open("/dev/null", O_RDONLY)), "it is no listening socket");
  const int local = socket(AF_UNIX, SOCK_STREAM, 0);
  const sockaddr_un nameless{.sun_family = AF_UNIX, .sun_path = {}};
  check(bind(local, reinterpret_cast<const sockaddr*>(&nameless), sizeof(sa_family_t)), "bind");
  check(listen(local, 1), "listen");
  EXPECT_EQ(complaint(local), "it is no TCP socket");
}

/// A service manager's socket: autobound to an abstract name, or to a path.
class Manager {
 public:
  explicit Manager(const std::string& path) : socket_(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    std::memcpy(address.sun_path, path.data(), path.size());
    if (path.front() == '@') address.sun_path[0] = 0;
    check(bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address),
               static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size())),
          "bind " + path);
    setenv("NOTIFY_SOCKET", path.c_str(), 1);
  }
  ~Manager() { unsetenv("NOTIFY_SOCKET"); }
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;

  std::string received() const {
    std::array<char, 100> buffer;
    const auto size = recv(socket_.get(), buffer.data(), buffer.size(), 0);
    return size < 0 ? "" : std::string(buffer.data(), static_cast<std::size_t>(size));
  }

 private:
  Fd socket_;
};

TEST(Notify, ReachesASocketWithAPath) {
  const std::string path = testing::TempDir() + "notify." + std::to_string(getpid());
  const Manager manager(path);
  notify_service_manager("READY=1");
  EXPECT_EQ(manager.received(), "READY=1");
  unlink(path.c_str());
}

TEST(Notify, ReachesAnAbstractSocket) {
  const Manager manager("@quartet-test-" + std::to_string(getpid()));
  notify_service_manager("STOPPING=1");
  EXPECT_EQ(manager.received(), "STOPPING=1");
}

TEST(Notify, IsSilentWhereNobodyListens) {
  notify_service_manager("READY=1");
  setenv("NOTIFY_SOCKET", "/nowhere/notify", 1);
  EXPECT_NO_THROW(notify_service_manager("READY=1"));
  setenv("NOTIFY_SOCKET", std::string(200, 'x').c_str(), 1);
  EXPECT_NO_THROW(notify_service_manager("READY=1"));
  unsetenv("NOTIFY_SOCKET");
}

}  // namespace
}  // namespace quartet::net
