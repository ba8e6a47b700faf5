#include "common/net/listener.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <list>
#include <string>

#include "common/net/orphan.h"
#include "common/net/system.h"
#include "tests/net/client_socket.h"

namespace quartet::net {
namespace {

TEST(Listener, ReportsThePortThatTheKernelChose) {
  const Listener listener(Address::parse("127.0.0.1:0"));
  EXPECT_GT(listener.address().port, 0);
}

TEST(Listener, SaysWhatFailedAndWhereAndWhy) {
  const Listener first(Address::parse("127.0.0.1:0"));
  try {
    const Listener second(first.address());
    FAIL() << "bound twice";
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.what(), "bind " + first.address().to_string() + ": Address already in use");
  }
}

/// @return the error of bind(2); 0 when it could join
int try_to_join(const Address& address) {
  const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  check(setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), "setsockopt");
  const sockaddr_in v4{
      AF_INET, htons(static_cast<std::uint16_t>(address.port)), {htonl(INADDR_LOOPBACK)}, {}};
  return bind(socket.get(), reinterpret_cast<const sockaddr*>(&v4), sizeof v4) == 0 ? 0 : errno;
}

TEST(AnotherListener, IsDealtSomeOfTheClients) {
  Listener first(Address::parse("127.0.0.1:0"));
  Listener second = first.another();
  EXPECT_EQ(second.address().to_string(), first.address().to_string());
  std::list<Fd> clients;
  std::size_t here = 0, there = 0;
  while (clients.size() < 1000 && (here == 0 || there == 0)) {  // a hash deals them out
    clients.push_back(connect_to(first.address()));
    here = first.unaccepted();
    there = second.unaccepted();
  }
  EXPECT_GT(here, 0U);
  EXPECT_GT(there, 0U);
  EXPECT_EQ(first.accept_all().size() + second.accept_all().size(), clients.size());
}

TEST(AnotherListener, GoesOnWhenTheFirstOneIsClosed) {
  Listener first(Address::parse("127.0.0.1:0"));
  const Address address = first.address();
  Listener second = first.another();
  first.close();
  const Fd client = connect_to(address);
  EXPECT_TRUE(second.accept());
}

TEST(AnotherListener, LetsNobodyElseTakeThePort) {
  const Listener first(Address::parse("127.0.0.1:0"));
  const Listener second = first.another();
  EXPECT_EQ(try_to_join(first.address()), EADDRINUSE);
  EXPECT_THROW(Listener{first.address()}, std::system_error);
}

TEST(Listener, AcceptsOverIPv6) {
  Listener listener(Address::parse("[::1]:0"));
  const Fd client = connect_to(listener.address());
  EXPECT_TRUE(listener.accept());
}

TEST(Listener, GivesUpWaitingAfterATick) {
  Listener listener(Address::parse("127.0.0.1:0"));
  EXPECT_FALSE(listener.accept());
  EXPECT_TRUE(is_transient(errno));
}

TEST(Listener, HandsItsOptionsToAcceptedSockets) {
  Listener listener(Address::parse("127.0.0.1:0"));
  const Fd client = connect_to(listener.address());
  const Fd accepted = listener.accept();
  int no_delay = 0;
  socklen_t size = sizeof no_delay;
  ASSERT_EQ(getsockopt(accepted.get(), IPPROTO_TCP, TCP_NODELAY, &no_delay, &size), 0);
  EXPECT_NE(no_delay, 0);
  timeval tick{};
  size = sizeof tick;
  ASSERT_EQ(getsockopt(accepted.get(), SOL_SOCKET, SO_RCVTIMEO, &tick, &size), 0);
  EXPECT_GT(tick.tv_usec, 0);
}

TEST(Listener, TakesItsWholeQueueInOneGo) {
  Listener listener(Address::parse("127.0.0.1:0"));
  const Fd first = connect_to(listener.address());
  const Fd second = connect_to(listener.address());
  EXPECT_EQ(listener.accept_all().size(), 2U);
  EXPECT_TRUE(listener.accept_all().empty());
  EXPECT_EQ(errno, EAGAIN);
}

TEST(Listener, KnowsHowManyClientsFindNoDescriptor) {
  Listener listener(Address::parse("127.0.0.1:0"));
  const Fd first = connect_to(listener.address());
  const Fd second = connect_to(listener.address());
  EXPECT_EQ(listener.unaccepted(), 2U);
  rlimit before{};
  check(getrlimit(RLIMIT_NOFILE, &before), "getrlimit");
  const Fd lowest(dup(listener.descriptor()));  // and all below it are taken
  const rlimit one_more{.rlim_cur = static_cast<rlim_t>(lowest.get()) + 2, .rlim_max = before.rlim_max};
  check(setrlimit(RLIMIT_NOFILE, &one_more), "setrlimit");
  EXPECT_EQ(listener.accept_all().size(), 1U);
  EXPECT_EQ(errno, EMFILE);
  check(setrlimit(RLIMIT_NOFILE, &before), "setrlimit");
  EXPECT_EQ(listener.unaccepted(), 1U);
  EXPECT_EQ(Listener(Fd(dup(listener.descriptor()))).unaccepted(), 0U) << "its owner keeps them";
}

TEST(Listener, RefusesEveryoneOnceItIsStopped) {
  Listener listener(Address::parse("127.0.0.1:0"));
  listener.stop();
  EXPECT_FALSE(listener.accept());
  EXPECT_EQ(errno, EINVAL);
  EXPECT_FALSE(try_to_connect(listener.address()));
}

TEST(Listener, OfAnOrphanIsStoppedByTheSignalAndItsQueueIsKept) {
  Listener listener(Address::parse("127.0.0.1:0"));
  listener.stop_when_orphaned();
  const Fd first = connect_to(listener.address());
  const Fd second = connect_to(listener.address());
  rescue_queue();
  EXPECT_FALSE(try_to_connect(listener.address()));
  EXPECT_TRUE(Listener(listener.address()).descriptor() >= 0);  // throws where the port is still in use
  EXPECT_EQ(listener.accept_all().size(), 2U);
}

TEST(Listener, IsNotTouchedByASignalOnceItIsClosed) {
  Listener listener(Address::parse("127.0.0.1:0"));
  listener.stop_when_orphaned();
  listener.close();
  const Listener successor(Address::parse("127.0.0.1:0"));  // most likely with the same descriptor
  rescue_queue();
  EXPECT_TRUE(try_to_connect(successor.address()));
}

TEST(Listener, ThatWasPassedIsItsOwnersEvenToAnOrphan) {
  Listener original(Address::parse("127.0.0.1:0"));
  const Listener passed(Fd(dup(original.descriptor())));
  passed.stop_when_orphaned();
  rescue_queue();
  EXPECT_TRUE(try_to_connect(original.address()));
}

}  // namespace
}  // namespace quartet::net
