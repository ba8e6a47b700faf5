// Asks a server whether it is healthy: the health check of a container that has neither shell nor curl.
#include <fmt/format.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "common/net/fd.h"
#include "common/net/listener.h"
#include "common/net/system.h"
#include "common/program/command_line.h"
#include "common/program/duration.h"

namespace quartet {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int kHealthy = 0, kUnhealthy = 1, kUsage = 2;
constexpr std::string_view kName = "quartet-probe";
constexpr std::string_view kStatusLine = "HTTP/1.1 ";
constexpr std::string_view kRequest =
    "GET /healthz HTTP/1.1\r\nHost: quartet\r\nConnection: close\r\nUser-Agent: quartet-probe\r\n\r\n";

struct Question {
  net::Address address{"127.0.0.1", 8080};
  milliseconds timeout{1000};
};

/// One time limit for everything: for connecting, and for an answer that comes byte by byte.
class Deadline {
 public:
  explicit Deadline(milliseconds timeout) : timeout_(timeout), end_(steady_clock::now() + timeout) {}

  /// Until the socket is ready for that. @throws std::runtime_error when the time is over
  void await(int socket, short events) const {
    pollfd waiting{.fd = socket, .events = events, .revents = 0};
    while (net::check(poll_once(waiting), "poll") == 0) {
    }
  }

 private:
  int poll_once(pollfd& waiting) const {
    // rounded up: a poll that returns just before the end would spin
    const auto left = std::chrono::ceil<milliseconds>(end_ - steady_clock::now());
    if (left <= milliseconds(0))
      throw std::runtime_error(fmt::format("no answer within {} ms", timeout_.count()));
    const int ready = ::poll(&waiting, 1, static_cast<int>(left.count()));
    return ready < 0 && errno == EINTR ? 0 : ready;
  }

  milliseconds timeout_;
  steady_clock::time_point end_;
};

using AddressInfo = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

AddressInfo to_address_info(const net::Address& address) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  if (error != 0) throw std::runtime_error(::gai_strerror(error));
  return {found, &::freeaddrinfo};
}

net::Fd connect(const net::Address& address, const Deadline& deadline) {
  const AddressInfo info = to_address_info(address);
  net::Fd socket(
      net::check(::socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket"));
  if (::connect(socket.get(), info->ai_addr, info->ai_addrlen) == 0) return socket;
  if (errno != EINPROGRESS) net::throw_errno("connect");
  deadline.await(socket.get(), POLLOUT);
  socklen_t length = sizeof errno;
  net::check(::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &errno, &length), "getsockopt");
  if (errno != 0) net::throw_errno("connect");
  return socket;
}

void send_request(int socket) {
  const ssize_t sent = ::send(socket, kRequest.data(), kRequest.size(), MSG_NOSIGNAL);
  if (sent < 0) net::throw_errno("send");
  // a fresh socket has room for far more
  if (static_cast<std::size_t>(sent) < kRequest.size()) throw std::runtime_error("send: cut short");
}

/// The status line, as far as it is sent.
std::string receive_status_line(int socket, const Deadline& deadline) {
  std::string head;
  std::array<char, 512> buffer{};
  while (head.find("\r\n") == std::string::npos && head.size() < buffer.size()) {
    deadline.await(socket, POLLIN);
    const ssize_t received = ::recv(socket, buffer.data(), buffer.size(), 0);
    if (received < 0 && net::is_transient(errno)) continue;
    if (received < 0) net::throw_errno("recv");
    if (received == 0) break;
    head.append(buffer.data(), static_cast<std::size_t>(received));
  }
  return head.substr(0, head.find("\r\n"));
}

/// @throws std::runtime_error with what is wrong
void ask(const Question& question) {
  const Deadline deadline(question.timeout);
  const net::Fd socket = connect(question.address, deadline);
  send_request(socket.get());
  const std::string line = receive_status_line(socket.get(), deadline);
  if (line.empty()) throw std::runtime_error("closed the connection without an answer");
  if (!line.starts_with(kStatusLine))
    throw std::runtime_error(fmt::format("answered {:?}, which is not HTTP/1.1", line));
  if (!line.substr(kStatusLine.size()).starts_with("200 ")) throw std::runtime_error("answered " + line);
}

milliseconds parse_timeout(const std::string& text) {
  constexpr milliseconds kLeast{1};
  constexpr std::chrono::hours kMost{1};
  try {
    if (const auto timeout = app::parse_duration(text); timeout >= kLeast && timeout <= kMost) return timeout;
  } catch (const std::invalid_argument&) {
    // it speaks of limits, which may be unlimited
  }
  throw std::invalid_argument(fmt::format("\"{}\" is not a time from 1ms to 1h, such as 250ms", text));
}

/// Exits after --help. @throws app::UsageError
Question parse(int argc, char** argv) {
  Question question;
  app::CommandLine command_line(
      {.name = std::string(kName),
       .summary = "Asks a server for /healthz. Exit status: 0 healthy, 1 not (stderr says why), 2 usage."});
  command_line.add({.name = "ADDRESS",
                    .help = fmt::format("Of the server, ADDR:PORT (default QUARTET_LISTEN, or {})",
                                        question.address.to_string()),
                    .read = [&](const std::string& text) { question.address = net::Address::parse(text); },
                    .variable = "QUARTET_LISTEN"});
  command_line.add({.name = "--timeout",
                    .metavariable = "TIME",
                    .help = "For all of it, such as 250ms (default 1s)",
                    .read = [&](const std::string& text) { question.timeout = parse_timeout(text); }});
  command_line.parse(argc, argv);
  return question;
}

int run(const Question& question) {
  try {
    ask(question);
    return kHealthy;
  } catch (const std::exception& error) {
    net::print_error(fmt::format("{}: {}: {}\n", kName, question.address.to_string(), error.what()));
    return kUnhealthy;
  }
}

}  // namespace
}  // namespace quartet

int main(int argc, char** argv) try {
  quartet::net::reserve_standard_descriptors();
  return quartet::run(quartet::parse(argc, argv));
} catch (const quartet::app::UsageError& error) {
  quartet::net::print_error(fmt::format("{}: {}\n", quartet::kName, error.what()));
  return quartet::kUsage;
} catch (const std::exception& error) {
  std::fprintf(stderr, "quartet-probe: %s\n", error.what());
  return quartet::kUnhealthy;
}
