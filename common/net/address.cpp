#include "common/net/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string_view>

namespace quartet::net {
namespace {

[[noreturn]] void reject(const std::string& text, const std::string& reason) {
  throw std::invalid_argument("\"" + text + "\" " + reason);
}

// A last label that begins with a digit is no name: resolvers take 127.1 and 0x7f.1 for addresses.
bool is_name(std::string_view host) {
  const auto belongs = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '.' || c == '_';
  };
  const auto last_label = host.substr(host.rfind('.') + 1);
  return !last_label.empty() && std::ranges::all_of(host, belongs) &&
         std::isalpha(static_cast<unsigned char>(last_label.front())) != 0;
}

Address resolve(const std::string& name, int port, const std::string& text) {
  if (name == "localhost") return {"127.0.0.1", port};
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int error = ::getaddrinfo(name.c_str(), nullptr, &hints, &list);
  if (error != 0) reject(text, std::string("has a host that cannot be found: ") + ::gai_strerror(error));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, &::freeaddrinfo);
  if (list == nullptr) reject(text, "has a host without an address");
  const addrinfo* chosen = list;
  while (chosen != nullptr && chosen->ai_family != AF_INET) chosen = chosen->ai_next;
  if (chosen == nullptr) chosen = list;
  SocketAddress found;
  std::memcpy(&found.storage, chosen->ai_addr,
              std::min<std::size_t>(chosen->ai_addrlen, sizeof found.storage));
  return {found.address().host, port};
}

/// @return -1 for anything but a port
int parse_port(std::string_view text) {
  int port = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  const bool fits = error == std::errc{} && end == text.data() + text.size() && port >= 0 && port <= 65535;
  return fits ? port : -1;
}

/// What to write instead of a text without a host or without a port; "" when that is not what is wrong.
std::string advice(const std::string& text) {
  const std::string port = text.starts_with(':') ? text.substr(1) : text;
  if (parse_port(port) >= 0)
    return "names no address: write 127.0.0.1:" + port + ", or 0.0.0.0:" + port +
           " for all of this machine's";
  if (const SocketAddress bare(Address{text}); bare.length != 0) {
    return bare.storage.ss_family == AF_INET ? "has no port: write " + text + ":8080"
                                             : "is an IPv6 address without brackets: write [::1]:8080";
  }
  if (is_name(text)) return "has no port: write " + text + ":8080";
  if (text.find('%') != std::string::npos) return "has a scope, which is not supported";
  if (text.find("//") != std::string::npos) return "is a URL: write only its ADDR:PORT";
  return "";
}

bool is_mapped_loopback(const in6_addr& host) {
  return IN6_IS_ADDR_V4MAPPED(&host) && host.s6_addr[12] == 127;
}

}  // namespace

SocketAddress::SocketAddress(const Address& address) {
  const auto port = htons(static_cast<std::uint16_t>(address.port));
  sockaddr_in v4{.sin_family = AF_INET, .sin_port = port, .sin_addr = {}, .sin_zero = {}};
  sockaddr_in6 v6{
      .sin6_family = AF_INET6, .sin6_port = port, .sin6_flowinfo = 0, .sin6_addr = {}, .sin6_scope_id = 0};
  if (inet_pton(AF_INET, address.host.c_str(), &v4.sin_addr) == 1) {
    std::memcpy(&storage, &v4, length = sizeof v4);
  } else if (inet_pton(AF_INET6, address.host.c_str(), &v6.sin6_addr) == 1) {
    std::memcpy(&storage, &v6, length = sizeof v6);
  }
}

Address SocketAddress::address() const {
  sockaddr_in v4;
  sockaddr_in6 v6;
  std::memcpy(&v4, &storage, sizeof v4);
  std::memcpy(&v6, &storage, sizeof v6);
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int family = storage.ss_family;
  if (family != AF_INET && family != AF_INET6) throw std::runtime_error("it is no TCP socket");
  const void* host = family == AF_INET ? static_cast<void*>(&v4.sin_addr) : &v6.sin6_addr;
  inet_ntop(family, host, text.data(), text.size());  // fails only for other families and short buffers
  return {text.data(), ntohs(v6.sin6_port)};          // the port is at the same place in both families
}

Address Address::parse(const std::string& text) {
  if (const auto instead = advice(text); !instead.empty()) reject(text, instead);
  const auto colon = text.rfind(':');
  const int port = colon == std::string::npos ? -1 : parse_port(std::string_view(text).substr(colon + 1));
  const bool bracketed = text.starts_with('[') && colon != std::string::npos && text[colon - 1] == ']';
  const auto host = bracketed ? text.substr(1, colon - 2) : text.substr(0, colon);
  const SocketAddress numeric(Address{host, port});
  if (port >= 0 && numeric.length != 0 && (numeric.storage.ss_family == AF_INET6) == bracketed)
    return numeric.address();
  if (port >= 0 && !bracketed && is_name(host)) return resolve(host, port, text);
  reject(text, "is not ADDR:PORT, such as 127.0.0.1:8080, [::1]:8080 or localhost:8080");
}

std::string Address::to_string() const {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

bool Address::is_loopback() const {
  const SocketAddress binary(*this);
  sockaddr_in v4;
  sockaddr_in6 v6;
  std::memcpy(&v4, &binary.storage, sizeof v4);
  std::memcpy(&v6, &binary.storage, sizeof v6);
  if (binary.storage.ss_family == AF_INET) return ntohl(v4.sin_addr.s_addr) >> 24 == 127;
  return binary.storage.ss_family == AF_INET6 &&
         (IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr) || is_mapped_loopback(v6.sin6_addr));
}

}  // namespace quartet::net
