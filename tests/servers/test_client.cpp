#include "tests/servers/test_client.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <system_error>

namespace quartet::suite {
namespace {

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

/// @return a connected socket, or -1 with errno set
int connect_to(const Endpoint& server, int receive_buffer) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* address = nullptr;
  if (::getaddrinfo(server.host.c_str(), std::to_string(server.port).c_str(), &hints, &address) != 0) {
    throw std::runtime_error("not an address: " + server.host);
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(address, ::freeaddrinfo);
  const int socket = ::socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket < 0) fail("socket");
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (receive_buffer > 0) ::setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  const timeval patience{.tv_sec = 20, .tv_usec = 0};
  ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);  // of connect, too
  if (::connect(socket, address->ai_addr, address->ai_addrlen) == 0) return socket;
  const int error = errno;
  ::close(socket);
  errno = error;
  return -1;
}

bool wait_readable(int socket, std::chrono::milliseconds patience) {
  pollfd entry{.fd = socket, .events = POLLIN, .revents = 0};
  return ::poll(&entry, 1, static_cast<int>(patience.count())) > 0;
}

bool has_no_body(const Answer& answer) {
  return answer.status < 200 || answer.status == 204 || answer.status == 304;
}

Answer parse_head(const std::string& head) {
  Answer answer;
  answer.head = head;
  if (!head.starts_with("HTTP/1.1 ") || head.size() < 12)
    throw std::runtime_error("not a status line: " + head);
  answer.status = std::stoi(head.substr(9, 3));
  std::istringstream lines(head);
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    if (line.ends_with('\r')) line.pop_back();
    const auto colon = line.find(": ");
    if (colon == std::string::npos) throw std::runtime_error("not a field line: " + line);
    answer.fields.emplace_back(line.substr(0, colon), line.substr(colon + 2));
  }
  return answer;
}

}  // namespace

std::string Answer::header(std::string_view name) const {
  for (const auto& [field, value] : fields) {
    if (field.size() == name.size() && ::strncasecmp(field.data(), name.data(), name.size()) == 0)
      return value;
  }
  return "";
}

std::string get(std::string_view target, const std::vector<std::string>& fields) {
  auto text = "GET " + std::string(target) + " HTTP/1.1\r\nHost: test\r\n";
  for (const auto& field : fields) text += field + "\r\n";
  return text + "\r\n";
}

std::string request(std::string_view method, std::string_view target, std::string_view body,
                    std::vector<std::string> fields) {
  fields.push_back("Content-Length: " + std::to_string(body.size()));
  return std::string(method) + get(target, fields).substr(3) + std::string(body);
}

TestClient::TestClient(const Endpoint& server, int receive_buffer)
    : socket_(connect_to(server, receive_buffer)) {
  if (socket_ < 0) fail("connect");
}

void TestClient::send(std::string_view bytes) {
  if (!offer(bytes)) fail("send");
}

bool TestClient::offer(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

void TestClient::half_close() { ::shutdown(socket_, SHUT_WR); }  // fails only where the server was faster

void TestClient::close() {
  if (socket_ >= 0) ::close(std::exchange(socket_, -1));
}

void TestClient::reset() {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close();
}

End TestClient::receive(std::chrono::milliseconds patience) {
  if (!wait_readable(socket_, patience))
    throw std::runtime_error("nothing received in time; before: " + received_);
  char buffer[65536];
  const auto count = ::recv(socket_, buffer, sizeof buffer, 0);
  if (count == 0) return End::eof;
  if (count < 0) return End::reset;
  received_.append(buffer, static_cast<std::size_t>(count));
  return End::none;
}

void TestClient::receive_until(std::size_t size) {
  while (received_.size() < size) {
    const auto end = receive(kPatience);
    if (end == End::none) continue;
    throw std::runtime_error((end == End::eof ? "end of file in an answer: " : "reset in an answer: ") +
                             received_);
  }
}

std::string TestClient::take(std::size_t count) {
  receive_until(count);
  auto text = received_.substr(0, count);
  received_.erase(0, count);
  return text;
}

std::string TestClient::take_line() {
  std::size_t end;
  while ((end = received_.find("\r\n")) == std::string::npos) receive_until(received_.size() + 1);
  auto line = take(end + 2);
  line.resize(end);
  return line;
}

std::string TestClient::take_chunks() {
  std::string body;
  for (;;) {
    const auto size = std::stoul(take_line(), nullptr, 16);
    if (size == 0) break;
    body += take(size);
    if (take(2) != "\r\n") throw std::runtime_error("a chunk does not end where it should");
  }
  if (!take_line().empty()) throw std::runtime_error("unexpected trailers");
  return body;
}

Answer TestClient::read_answer(bool head) {
  std::size_t end;
  while ((end = received_.find("\r\n\r\n")) == std::string::npos) receive_until(received_.size() + 1);
  auto answer = parse_head(take(end + 4).substr(0, end));
  if (head || has_no_body(answer)) return answer;
  if (answer.header("Transfer-Encoding") == "chunked") {
    answer.body = take_chunks();
  } else if (const auto length = answer.header("Content-Length"); !length.empty()) {
    answer.body = take(std::stoul(length));
  } else {
    answer.body = read_to_end().bytes;
  }
  return answer;
}

Answer TestClient::exchange(std::string_view bytes, bool head) {
  send(bytes);
  return read_answer(head);
}

Rest TestClient::read_to_end(std::chrono::milliseconds patience) {
  const auto deadline = Clock::now() + patience;
  auto end = End::none;
  while (end == End::none) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    if (left <= 0ms || !wait_readable(socket_, left)) break;
    end = receive(0ms);
  }
  return {std::exchange(received_, {}), end};
}

bool TestClient::silent_for(std::chrono::milliseconds duration) { return !readable(duration); }

bool TestClient::readable(std::chrono::milliseconds patience) {
  return !received_.empty() || wait_readable(socket_, patience);
}

std::vector<TestClient> silent_clients(const ServerProcess& server, int count) {
  std::vector<TestClient> clients;
  for (int i = 0; i < count; ++i) clients.emplace_back(server);
  return clients;
}

bool refuses(const Endpoint& server) {
  const int socket = connect_to(server, 0);
  if (socket >= 0) ::close(socket);
  return socket < 0 && errno == ECONNREFUSED;
}

}  // namespace quartet::suite
