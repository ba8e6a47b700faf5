// A peer of quartet-threads, of another kind: libmicrohttpd's thread pool, where each of the --workers
// threads is an epoll loop over its share of the clients (MHD_USE_EPOLL_INTERNAL_THREAD with
// MHD_OPTION_THREAD_POOL_SIZE).

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "loadtest/peers/options.h"

namespace quartet::peers {
namespace {

constexpr int kIdleTimeout = 600;  // seconds

struct Destroy {
  void operator()(MHD_Response* response) const { MHD_destroy_response(response); }
  void operator()(MHD_Daemon* daemon) const { MHD_stop_daemon(daemon); }
};
using Response = std::unique_ptr<MHD_Response, Destroy>;
using Daemon = std::unique_ptr<MHD_Daemon, Destroy>;

/// Made once: libmicrohttpd counts who is sending one, and sends the body from where it is.
Response make_response(const Document& document) {
  Response response(MHD_create_response_from_buffer(
      document.content.size(), const_cast<char*>(document.content.data()), MHD_RESPMEM_PERSISTENT));
  if (!response || MHD_add_response_header(response.get(), "Server", "libmicrohttpd") == MHD_NO ||
      MHD_add_response_header(response.get(), "Content-Type", document.type.c_str()) == MHD_NO)
    throw std::runtime_error("cannot make a response");
  return response;
}

struct Site {
  explicit Site(const Options& options) {
    for (const auto& [target, document] : options.documents)
      responses.emplace(target, make_response(document));
  }

  std::map<std::string, Response, std::less<>> responses;
  Response missing = make_response({"text/plain; charset=utf-8", "not found"});
};

MHD_Result answer(void* data, MHD_Connection* connection, const char* target, const char* method, const char*,
                  const char*, std::size_t*, void** request) {
  if (!*request) {  // called for the head first; who answers already then, closes the connection
    *request = connection;
    return MHD_YES;
  }
  const Site& site = *static_cast<const Site*>(data);
  const auto found = site.responses.find(target);
  if (std::strcmp(method, MHD_HTTP_METHOD_GET) != 0 || found == site.responses.end())
    return MHD_queue_response(connection, MHD_HTTP_NOT_FOUND, site.missing.get());
  return MHD_queue_response(connection, MHD_HTTP_OK, found->second.get());
}

/// The flags of libmicrohttpd's own benchmark.c, but with a Date in the responses, like everybody's here.
constexpr unsigned kFlags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_TURBO | MHD_USE_ERROR_LOG;

Daemon start(const Options& options, Site& site) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(options.port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::vector<MHD_OptionItem> items{
      {MHD_OPTION_SOCK_ADDR, 0, &address},
      {MHD_OPTION_LISTEN_BACKLOG_SIZE, kBacklog, nullptr},
      {MHD_OPTION_CONNECTION_LIMIT, static_cast<std::intptr_t>(options.connections), nullptr},
      {MHD_OPTION_CONNECTION_TIMEOUT, kIdleTimeout, nullptr}};
  if (options.workers > 1)  // a pool of one would be refused with a warning
    items.push_back({MHD_OPTION_THREAD_POOL_SIZE, static_cast<std::intptr_t>(options.workers), nullptr});
  items.push_back({MHD_OPTION_END, 0, nullptr});
  Daemon daemon(MHD_start_daemon(kFlags, options.port, nullptr, nullptr, &answer, &site, MHD_OPTION_ARRAY,
                                 items.data(), MHD_OPTION_END));
  if (!daemon) throw std::runtime_error("libmicrohttpd cannot serve port " + std::to_string(options.port));
  return daemon;
}

int serve(const Options& options) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  // before the threads, which inherit it
  if (const int error = pthread_sigmask(SIG_BLOCK, &signals, nullptr))
    throw std::system_error(error, std::generic_category(), "pthread_sigmask");
  Site site(options);
  const Daemon daemon = start(options, site);
  int received = 0;
  if (const int error = sigwait(&signals, &received))
    throw std::system_error(error, std::generic_category(), "sigwait");
  return 0;
}

}  // namespace
}  // namespace quartet::peers

int main(int argc, char** argv) try {
  return quartet::peers::serve(quartet::peers::parse_options(
      argc, argv, "peer-microhttpd", std::string("libmicrohttpd ") + MHD_get_version()));
} catch (const std::exception& error) {
  std::fprintf(stderr, "peer-microhttpd: %s\n", error.what());
  return 1;
}
