#include "loadtest/peers/options.h"

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <system_error>

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

Options parse_options(int argc, char** argv, const std::string& library) {
  Options options;
  std::string root;
  CLI::App app("A small server on " + library + ", for comparison");
  app.set_version_flag("--version", library);
  app.add_option("--port", options.port, "On 127.0.0.1")->required();
  app.add_option("--workers", options.workers, "Loops, each with a thread (default 1)")
      ->check(CLI::Range(1, 1024));
  app.add_option("--connections", options.connections, "Open at a time (default 10000)")
      ->check(CLI::PositiveNumber);
  app.add_option("--root", root, "Directory of the file 16k, served as /file/16k (default: none)");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error) == 0 ? 0 : kUsage);
  }
  add_documents(options, root);
  return options;
}

}  // namespace quartet::peers
