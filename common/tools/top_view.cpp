#include "common/tools/top_view.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/wait.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>

#include "common/program/duration.h"

namespace quartet::app {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr nanoseconds kLong = seconds(1);   // a handler that runs for longer may hang
constexpr nanoseconds kNews = seconds(10);  // for how long a new server is news
constexpr std::size_t kWide = 112;          // from here on there is room for more columns
constexpr std::string_view kStopped = "stopped (SIGSTOP, or a debugger)";

// --- numbers and words

/// "1,234,567"
std::string grouped(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t end = digits.size(); end > 3; end -= 3) digits.insert(end - 3, 1, ',');
  return digits;
}

std::string plural(std::uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", grouped(count), noun, count == 1 ? "" : "s");
}

/// "1h02m", where format_age says "1h".
std::string format_uptime(nanoseconds uptime) {
  if (uptime >= days(1)) return fmt::format("{}d{:02}h", uptime / days(1), uptime % days(1) / hours(1));
  if (uptime >= hours(1)) return fmt::format("{}h{:02}m", uptime / hours(1), uptime % hours(1) / minutes(1));
  if (uptime >= minutes(1))
    return fmt::format("{}m{:02}s", uptime / minutes(1), uptime % minutes(1) / seconds(1));
  return format_age(uptime);
}

/// "SIGSEGV", "exit status 3". @param status as from waitpid(2)
std::string short_manner(int status) {
  if (!WIFSIGNALED(status)) return fmt::format("exit status {}", WEXITSTATUS(status));
  const char* name = ::sigabbrev_np(WTERMSIG(status));  // null for real-time signals
  return name == nullptr ? fmt::format("signal {}", WTERMSIG(status)) : fmt::format("SIG{}", name);
}

/// "SIGSEGV in POST /fault/segv"
std::string cause(const WorkerSnapshot::Death& death) {
  const std::string manner = short_manner(death.status);
  return death.request.empty() ? manner + ", no request in hand"
                               : fmt::format("{} in {}", manner, death.request);
}

// --- rates

/// Requests a second; nothing where they would mean nothing.
using Rate = std::optional<double>;

/// What the rates are counted from.
class Baseline {
 public:
  Baseline(const Look& look, const Look* before) : dead_(look.server == Life::dead) {
    const Snapshot& now = look.snapshot;
    elapsed_ = now.uptime;
    if (before == nullptr || before->snapshot.process != now.process ||
        before->snapshot.unix_seconds != now.unix_seconds || before->snapshot.uptime >= now.uptime)
      return;
    before_ = &before->snapshot;
    elapsed_ -= before_->uptime;
  }

  bool average() const { return before_ == nullptr; }
  Rate total(const Snapshot& now) const {
    return rate(now.totals.requests(), average() ? 0 : before_->totals.requests());
  }
  Rate worker(const Snapshot& now, std::size_t slot) const {
    const bool known = !average() && slot < before_->workers.size();
    return rate(now.workers[slot].counts.requests(), known ? before_->workers[slot].counts.requests() : 0);
  }

 private:
  Rate rate(std::uint64_t now, std::uint64_t then) const {
    // It is not known how long ago it died; and an average needs some time.
    if (average() && (dead_ || elapsed_ < milliseconds(1))) return std::nullopt;
    return static_cast<double>(now - std::min(then, now)) / std::chrono::duration<double>(elapsed_).count();
  }

  bool dead_;
  nanoseconds elapsed_{0};
  const Snapshot* before_ = nullptr;
};

std::uint64_t whole(double number) {
  constexpr double kMost = 1e18;
  return static_cast<std::uint64_t>(std::min(number, kMost));
}

std::string format_rate(Rate rate, std::size_t width) {
  if (!rate) return "-";
  if (*rate > 0 && *rate < 10) return fmt::format("{:.1f}", std::floor(*rate * 10) / 10);
  return compact(whole(*rate), width);
}

// --- the table

struct Row {
  const WorkerSnapshot* worker;
  Life life;
  Rate rate;

  bool free() const { return worker->state == State::free; }
  nanoseconds age() const { return worker->in_hand ? worker->in_hand->duration : nanoseconds(-1); }
};

char letter(const Row& row) {
  if (row.life == Life::dead) return 'D';
  if (row.life == Life::stopped) return 'T';
  return static_cast<char>(row.worker->state);
}

std::string in_hand(const Row& row) {
  if (row.worker->in_hand) return row.worker->in_hand->request;
  return row.free() && row.worker->last_death ? fmt::format("died: {}", cause(*row.worker->last_death)) : "";
}

/// A free slot that has nothing to tell is left out.
std::vector<Row> rows_of(const Look& look, const Baseline& baseline) {
  std::vector<Row> rows;
  for (std::size_t i = 0; i < look.snapshot.workers.size(); ++i) {
    const Row row{&look.snapshot.workers[i], look.workers[i], baseline.worker(look.snapshot, i)};
    if (!row.free() || row.worker->last_death) rows.push_back(row);
  }
  return rows;
}

/// What a sort order looks at: greater comes first.
std::function<double(const Row&)> key_of(Sort sort) {
  switch (sort) {
    case Sort::slot: return [](const Row& row) { return -static_cast<double>(row.worker->worker); };
    case Sort::rate: return [](const Row& row) { return row.rate.value_or(0); };
    case Sort::requests:
      return [](const Row& row) { return static_cast<double>(row.worker->counts.requests()); };
    case Sort::since: return [](const Row& row) { return static_cast<double>(row.age().count()); };
    case Sort::pid:
      return [](const Row& row) { return row.free() ? -1e18 : -static_cast<double>(row.worker->process); };
  }
  return {};
}

void sort_rows(std::vector<Row>& rows, Sort sort) {
  const auto key = key_of(sort);
  std::ranges::stable_sort(rows, [&](const Row& a, const Row& b) { return key(a) > key(b); });
}

struct Column {
  std::string_view heading;
  std::size_t width;
  std::function<std::string(const Row&)> cell;
};

template <typename Value>
Column number(std::string_view heading, std::size_t width, Value value) {
  return {heading, width, [=](const Row& row) { return compact(value(row), width); }};
}

/// A point for 0: most are, and the others shall be seen.
Column gauge(std::string_view heading, http::Phase phase) {
  constexpr std::size_t kWidth = 3;
  return {heading, kWidth, [=](const Row& row) -> std::string {
            const std::uint64_t open = row.worker->counts.gauges[static_cast<std::size_t>(phase)];
            return open == 0 ? "." : compact(open, kWidth);
          }};
}

/// @param index of Counts::kCounters
Column counter(std::string_view heading, std::size_t index) {
  return number(heading, 5, [=](const Row& row) { return row.worker->counts.counters[index]; });
}

Column pid_column() {
  return {"pid", 7, [](const Row& row) {
            return row.worker->process > 0 ? compact(static_cast<std::uint64_t>(row.worker->process), 7)
                                           : "-";
          }};
}

Column since_column() {
  return {"since", 5, [](const Row& row) { return row.worker->in_hand ? format_age(row.age()) : ""; }};
}

/// All but the last, the request, which takes the rest of the line.
std::vector<Column> columns_for(std::size_t width, bool average) {
  using http::Phase;
  std::vector<Column> columns{
      number("slot", 4, [](const Row& row) { return row.worker->worker; }),
      pid_column(),
      number("gen", 3, [](const Row& row) { return row.worker->generation; }),
      {"S", 1, [](const Row& row) { return std::string(1, letter(row)); }},
      counter("reqs", 1),
      {average ? "avg/s" : "req/s", 5, [](const Row& row) { return format_rate(row.rate, 5); }},
      gauge("acc", Phase::accepted),
      gauge("rd", Phase::reading),
      gauge("run", Phase::running),
      gauge("slp", Phase::sleeping),
      gauge("wr", Phase::writing),
      gauge("idl", Phase::idle),
  };
  if (width >= kWide) {
    for (auto& column : {counter("errs", 2), counter("t/out", 3), counter("recvd", 5), counter("sent", 6)})
      columns.push_back(column);
  }
  columns.push_back(since_column());
  return columns;
}

std::string heading_of(const std::vector<Column>& columns, std::size_t width) {
  std::string text;
  for (const Column& column : columns) text += fmt::format("{:>{}} ", column.heading, column.width);
  return fmt::format("{:<{}}", text + "request in hand", width);
}

Line line_of(const Row& row, const std::vector<Column>& columns) {
  std::string text;
  for (const Column& column : columns) text += fmt::format("{:>{}} ", column.cell(row), column.width);
  const bool amiss = row.life == Life::dead || row.life == Life::stopped;
  return {text + in_hand(row), amiss ? Style::alert : row.free() ? Style::faint : Style::plain};
}

// --- the head

/// Of everyone who is said to be dead, or of everyone at all when the server is.
std::vector<std::string> last_requests(const Look& look) {
  std::vector<std::string> requests;
  for (std::size_t i = 0; i < look.workers.size(); ++i) {
    const auto& running = look.snapshot.workers[i].in_hand;
    if (running && look.workers[i] == Life::dead) requests.push_back(running->request);
  }
  return requests;
}

std::string describe_last(const std::vector<std::string>& requests) {
  if (requests.empty()) return "no request was in hand";
  if (requests.size() == 1) return "it was running " + requests.front();
  return fmt::format("it was running one of {}: {}", requests.size(), fmt::join(requests, ", "));
}

std::size_t count(const Look& look, Life life) {
  return static_cast<std::size_t>(std::ranges::count(look.workers, life));
}

/// Or else it is the parent of those who do.
bool serves_itself(const Look& look) {
  return std::ranges::any_of(look.snapshot.workers, [&](const WorkerSnapshot& worker) {
    return worker.process == look.snapshot.process;
  });
}

std::string of_the_dead(const Look& look) {
  if (look.snapshot.draining) return "The server has ended amid its drain: timeout, second signal or crash";
  const std::string orphans =
      count(look, Life::alive) == 0
          ? ""
          : fmt::format(" ({} left alive)", plural(count(look, Life::alive), "worker"));
  return fmt::format("The server has died{}; {}", orphans, describe_last(last_requests(look)));
}

std::string of_the_stopped(const Look& look) {
  if (serves_itself(look)) return fmt::format("The server is {}: nobody is served until SIGCONT", kStopped);
  return fmt::format("The parent is {}; its workers are on their own", kStopped);
}

std::string of_the_unseen(const Look& look) {
  return look.elsewhere ? "Alive or not is unknown: the server is in another pid namespace (container)"
                        : "Alive or not is unknown: procfs does not show the server's process";
}

std::string about_server(const Look& look) {
  switch (look.server) {
    case Life::none: return "The server is just starting";
    case Life::alive: return "";
    case Life::stopped: return of_the_stopped(look);
    case Life::dead: return look.removed ? "" : of_the_dead(look);
    case Life::unknown: return of_the_unseen(look);
  }
  return "";
}

std::string about_file(const Look& look) {
  if (!look.trouble.empty()) return fmt::format("The last picture: {}", look.trouble);
  if (look.removed && look.server == Life::dead)
    return "The server has drained and removed its file: the last picture, until a new one comes";
  if (look.snapshot.incomplete) return "Not all workers are shown: the file had no room for more slots";
  if (look.removed) return "The file was removed: no server will be found here until a new one comes";
  if (look.predecessor != 0 && look.snapshot.uptime < kNews)
    return fmt::format("A new server: its file has taken the place of pid {}'s", look.predecessor);
  return "";
}

std::string about_stopped_workers(const Look& look) {
  if (look.server == Life::stopped && serves_itself(look)) return "";
  const auto first = std::ranges::find(look.workers, Life::stopped);
  if (first == look.workers.end()) return "";
  const WorkerSnapshot& worker =
      look.snapshot.workers[static_cast<std::size_t>(first - look.workers.begin())];
  const std::size_t stopped = count(look, Life::stopped);
  if (stopped == 1) return fmt::format("Worker {} (pid {}) is {}", worker.worker, worker.process, kStopped);
  return fmt::format("{} workers are {}; the first is pid {}", stopped, kStopped, worker.process);
}

std::string about_hung_workers(const std::vector<Row>& rows) {
  std::vector<Row> hung;
  std::ranges::copy_if(rows, std::back_inserter(hung), [](const Row& row) {
    return row.age() > kLong && (row.life == Life::alive || row.life == Life::unknown);
  });
  if (hung.empty()) return "";
  const Row& longest = *std::ranges::max_element(hung, {}, &Row::age);
  const std::string who = fmt::format("orker {} (pid {})", longest.worker->worker, longest.worker->process);
  const std::string age = format_age(longest.age());
  const std::string& request = longest.worker->in_hand->request;
  if (hung.size() == 1) return fmt::format("Hung? W{} has been running for {}: {}", who, age, request);
  return fmt::format("Hung? {} workers run for over 1s; w{} for {}: {}", hung.size(), who, age, request);
}

std::string about_drain(const Look& look) {
  if (!look.snapshot.draining || look.server == Life::dead) return "";
  return fmt::format("Draining for {}", format_uptime(*look.snapshot.draining));
}

std::string title(const Look& look) {
  const Snapshot& server = look.snapshot;
  const std::string uptime = format_uptime(server.uptime);
  const bool up = look.server == Life::alive || look.server == Life::stopped;
  return fmt::format("{}{}{}  {}  pid {}{}  {}", server.model, server.mode.empty() ? "" : " ", server.mode,
                     server.address, server.process, server.supervised ? ", supervised" : "",
                     up ? fmt::format("up {}", uptime) : fmt::format("started {} ago", uptime));
}

/// "  92,609/s"
std::string throughput(Rate rate, bool average) {
  if (!rate) return "";
  return fmt::format("  {}/s{}", *rate < 10 ? format_rate(rate, 5) : grouped(whole(*rate)),
                     average ? " on average" : "");
}

std::string totals(const Look& look, const Baseline& baseline) {
  const Counts& sums = look.snapshot.totals;
  const auto free = std::ranges::count(look.snapshot.workers, State::free, &WorkerSnapshot::state);
  const std::size_t workers = look.snapshot.workers.size() - static_cast<std::size_t>(free);
  return fmt::format(
      "{}  {}{}  {}  {}  {} cut", plural(workers, "worker"), plural(sums.requests(), "request"),
      throughput(baseline.total(look.snapshot), baseline.average()), plural(sums.counters[2], "error"),
      plural(sums.counters[3], "timeout"), grouped(sums.counters[4]));
}

/// The table's gauges, in their order and in full words.
std::string connections(const Counts& sums) {
  std::vector<std::string> phases;
  for (std::size_t i = 0; i < sums.gauges.size(); ++i)
    phases.push_back(fmt::format("{} {}", compact(sums.gauges[i], 4), Counts::kGauges[i]));
  return fmt::format("{} open: {}", compact(sums.open(), 5), fmt::join(phases, ", "));
}

std::string deaths(const Snapshot& server) {
  const WorkerSnapshot* last = nullptr;
  for (const WorkerSnapshot& worker : server.workers) {
    const bool later = worker.last_death &&
                       (last == nullptr || worker.last_death->unix_seconds >= last->last_death->unix_seconds);
    if (later) last = &worker;
  }
  if (last == nullptr) return "";
  const auto& death = *last->last_death;
  const auto ago = server.uptime - seconds(death.unix_seconds - server.unix_seconds);
  return fmt::format("{}, the last {} ago: slot {}, pid {}, {}", plural(server.deaths, "death"),
                     format_age(ago), last->worker, death.process, cause(death));
}

std::vector<Line> head(const Look& look, const std::vector<Row>& rows, const Baseline& baseline) {
  std::vector<Line> lines{{title(look), Style::title}};
  for (auto& alert : {about_file(look), about_server(look), about_stopped_workers(look),
                      about_hung_workers(rows), about_drain(look)})
    if (!alert.empty()) lines.push_back({alert, Style::alert});
  lines.push_back({totals(look, baseline)});
  lines.push_back({connections(look.snapshot.totals)});
  if (auto text = deaths(look.snapshot); !text.empty()) lines.push_back({std::move(text)});
  return lines;
}

// --- the foot

constexpr std::string_view kLegend =
    "X run W write R read Z sleep A accept K idle _ ready S fork T stop D dead . free";

std::string keys(const Display& display, std::size_t hidden) {
  std::string left =
      fmt::format("q quit  s sort: {}  + - every {}", kSorts[static_cast<std::size_t>(display.sort)],
                  format_duration(display.interval));
  if (hidden == 0) return left;
  return fmt::format("{}  {:>{}}", left, plural(hidden, "worker") + " not shown",
                     std::max(display.width, left.size() + 2) - left.size() - 2);
}

/// Whatever came in: nothing wraps, and nothing speaks to the terminal.
std::string fit(std::string text, std::size_t width) {
  std::ranges::replace_if(
      text, [](char c) { return c < ' ' || c > '~'; }, '?');
  if (text.size() <= width) return text;
  text.resize(width);
  if (width > 0) text.back() = '>';
  return text;
}

}  // namespace

std::string compact(std::uint64_t number, std::size_t width) {
  std::string text = std::to_string(number);
  std::uint64_t unit = 1;
  for (const char letter : std::string_view("kMGTPE")) {
    if (text.size() <= width) return text;
    unit *= 1000;
    const std::string digits = std::to_string(number / unit);
    if (digits.size() + 1 > width) continue;
    const std::size_t room = width - 1 - digits.size();  // for a point and what follows
    text = digits == "0" ? "" : digits;
    if (digits == "0" || room > 1) text += fmt::format(".{}", number % unit / (unit / 10));
    text += letter;
  }
  return text;
}

std::string format_age(nanoseconds age) {
  const nanoseconds positive = std::max(age, nanoseconds(0));
  if (positive < seconds(1)) return fmt::format("{}ms", positive / milliseconds(1));
  if (positive < seconds(10))
    return fmt::format("{}.{}s", positive / seconds(1), positive % seconds(1) / milliseconds(100));
  if (positive < minutes(1)) return fmt::format("{}s", positive / seconds(1));
  if (positive < hours(1)) return fmt::format("{}m", positive / minutes(1));
  if (positive < days(1)) return fmt::format("{}h", positive / hours(1));
  return fmt::format("{}d", std::min<std::int64_t>(positive / days(1), 9'999));
}

std::vector<Line> render(const Look& look, const Look* before, const Display& display) {
  const Baseline baseline(look, before);
  std::vector<Row> rows = rows_of(look, baseline);
  std::vector<Line> lines = head(look, rows, baseline);
  constexpr std::size_t kHeadingLegendKeys = 3;
  const std::size_t taken = lines.size() + kHeadingLegendKeys;
  const std::size_t room = display.rows ? *display.rows - std::min(*display.rows, taken) : rows.size();
  const std::size_t hidden = rows.size() - std::min(rows.size(), room);

  sort_rows(rows, display.sort);
  rows.resize(rows.size() - hidden);
  const auto columns = columns_for(display.width, baseline.average());
  lines.push_back({heading_of(columns, display.width), Style::heading});
  for (const Row& row : rows) lines.push_back(line_of(row, columns));
  lines.push_back({std::string(kLegend), Style::faint});
  if (display.rows) lines.push_back({keys(display, hidden), Style::faint});

  if (display.rows) lines.resize(std::min(lines.size(), *display.rows));
  for (Line& line : lines) line.text = fit(std::move(line.text), display.width);
  return lines;
}

}  // namespace quartet::app
