#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace quartet::app {

struct Server;

/// A mode's own part: serves until the drain is over. @return kDrained, kCut or kCrashLoop
using Serve = std::function<int(Server&)>;

/// What runs the handlers. Processes have a parent, which outlives them; threads have only their process.
enum class Worker : std::uint8_t { process, thread };

/// A way to run a model, as facts. They stand once, in its server file: whatever is shared, the tests and the
/// harness ask for a fact, never for a name.
struct Mode {
  std::string_view name = "";          ///< "prefork"; empty in a model with one mode
  Worker worker = Worker::thread;      ///< an event loop runs in a thread, too
  bool one_client_per_worker = false;  ///< otherwise clients share a loop, where nothing may block
  bool process_per_request = false;    ///< beside the worker, which waits for it
  bool hands_over = false;             ///< one loop has all clients; workers run what may block, for it
  bool work_stealing = false;          ///< a client is nobody's: any worker that is free goes on with it
  std::size_t default_workers = 1;
  std::string_view only_one_because = "";  ///< why --workers takes no more than 1; empty: it takes more
  Serve serve = nullptr;

  bool many_workers() const { return only_one_because.empty(); }
  bool has_parent() const { return worker == Worker::process; }
};

/// An option that one model has, and the others do not. It takes one of a few words, or a number.
struct OwnOption {
  std::string_view name;                     ///< "--listen-mode"
  std::vector<std::string_view> words = {};  ///< one of these; the first is the default
  std::string_view unit = "";                ///< of the number: "KiB"
  std::size_t number = 0;                    ///< the default
  std::size_t least = 0;
  std::size_t most = 0;
  std::string_view help;
};

/// What main knows of its model. The first mode is the default.
struct Model {
  std::string_view name;     ///< "quartet-epoll"
  std::string_view summary;  ///< one sentence for --help
  std::vector<Mode> modes;
  std::vector<OwnOption> own_options = {};
};

/// The options that choose a mode: "--mode", "prefork"; none in a model with one mode.
std::vector<std::string> options_of(const Mode& mode);

/// An option that a mode cannot honour, and why, in one sentence.
struct Refusal {
  std::string_view option;  ///< "--workers", which takes 1 everywhere
  std::string why;
};

/// All of a mode's refusals. They follow from its facts.
std::vector<Refusal> refusals(const Model& model, const Mode& mode);

}  // namespace quartet::app
