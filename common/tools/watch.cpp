#include "common/tools/watch.h"

#include <stdexcept>
#include <utility>

#include "common/net/system.h"

namespace quartet::app {
namespace {

/// Of the server: it was there when it wrote its file.
Life life_of_server(const Snapshot& snapshot) {
  return life_of(snapshot.process, {.at_least_old = snapshot.uptime});
}

/// Nothing tells when it began, but while its parent lives, which reaps it, its pid stays its own. Without a
/// parent only the name is left.
Life life_of_child(const Look& look, std::int32_t process) {
  const bool orphan = look.server == Life::dead;
  return life_of(process, {.name = orphan ? std::string_view(look.snapshot.model) : ""});
}

Life life_of_worker(const Look& look, std::int32_t process) {
  if (process <= 0) return Life::none;
  if (look.elsewhere) return Life::unknown;
  return process == look.snapshot.process ? look.server : life_of_child(look, process);
}

void look_for_processes(Look& look) {
  const Snapshot& snapshot = look.snapshot;
  look.elsewhere = snapshot.pid_namespace == 0 || snapshot.pid_namespace != pid_namespace();
  look.server = look.elsewhere ? Life::unknown : life_of_server(snapshot);
  for (const WorkerSnapshot& worker : snapshot.workers)
    look.workers.push_back(life_of_worker(look, worker.process));
}

nlohmann::ordered_json describe(Life life) {
  return life == Life::none ? nlohmann::ordered_json() : nlohmann::ordered_json(to_string(life));
}

}  // namespace

nlohmann::ordered_json to_json(const Look& look) {
  auto json = to_json(look.snapshot);
  json["server"]["life"] = describe(look.server);
  for (std::size_t i = 0; i < look.workers.size(); ++i)
    json["workers"][i]["life"] = describe(look.workers[i]);
  return json;
}

Watch::Watch(std::filesystem::path file)
    : file_(std::move(file)), reader_(std::make_unique<ScoreboardReader>(file_)) {}

void Watch::follow() try {
  trouble_.clear();
  if (!reader_->replaced()) return;
  std::error_code unknown;  // then opening it says what is wrong
  removed_ = !std::filesystem::exists(file_, unknown) && !unknown;
  if (removed_) return;
  auto fresh = std::make_unique<ScoreboardReader>(file_);
  predecessor_ = reader_->board().process;
  reader_ = std::move(fresh);
} catch (const std::runtime_error& error) {
  trouble_ = error.what();
}

Look Watch::look() {
  follow();
  Look look{.snapshot = take_snapshot(reader_->board(), reader_->used(), net::now().steady),
            .removed = removed_,
            .predecessor = predecessor_,
            .trouble = trouble_};
  reader_->check_intact();
  look_for_processes(look);
  return look;
}

}  // namespace quartet::app
