#include "loadtest/peers/options.h"

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <system_error>

#include "common/net/system.h"
#include "common/program/command_line.h"

namespace quartet::peers {
namespace {

constexpr int kUsage = 2;

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string content{std::istreambuf_iterator<char>(file), {}};
  if (!file) throw std::system_error(errno, std::generic_category(), "read " + path);
  return content;
}

void add_documents(Options& options, const std::string& root) {
  options.documents["/plaintext"] = {"text/plain; charset=utf-8", "Hello, World!"};
  if (!root.empty()) options.documents["/file/16k"] = {"application/octet-stream", read_file(root + "/16k")};
}

}  // namespace

Options parse_options(int argc, char** argv, const std::string& name, const std::string& library) {
  Options options;
  std::size_t port = 0;
  std::string root;
  app::CommandLine command_line(
      {.name = name, .summary = "A small server on " + library + ", for comparison.", .version = library});
  command_line.add({.name = "--port",
                    .metavariable = "PORT",
                    .help = "On 127.0.0.1",
                    .read = app::into(port, 1, 65'535),
                    .required = true});
  command_line.add({.name = "--workers",
                    .metavariable = "N",
                    .help = "Loops, each with a thread (default 1)",
                    .read = app::into(options.workers, 1, 1024)});
  command_line.add({.name = "--connections",
                    .metavariable = "N",
                    .help = "Open at a time (default 10000)",
                    .read = app::into(options.connections, 1, 1'000'000)});
  command_line.add({.name = "--root",
                    .metavariable = "DIR",
                    .help = "Directory of the file 16k, served as /file/16k (default: none)",
                    .read = app::into(root)});
  try {
    command_line.parse(argc, argv);
  } catch (const app::UsageError& error) {
    net::print_error(name + ": " + error.what() + "\n");
    std::exit(kUsage);
  }
  options.port = static_cast<std::uint16_t>(port);
  add_documents(options, root);
  return options;
}

}  // namespace quartet::peers
