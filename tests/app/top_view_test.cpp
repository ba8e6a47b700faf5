#include "common/tools/top_view.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <limits>

namespace quartet::app {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;

WorkerSnapshot worker(std::uint32_t slot, State state = State::ready) {
  return {.worker = slot,
          .generation = 1,
          .process = state == State::free ? 0 : 1000 + static_cast<std::int32_t>(slot),
          .thread = 0,
          .state = state,
          .counts = {},
          .in_hand = std::nullopt,
          .last_death = std::nullopt};
}

WorkerSnapshot running(std::uint32_t slot, std::string request, nanoseconds duration) {
  WorkerSnapshot busy = worker(slot, State::running);
  busy.in_hand = {std::move(request), duration};
  return busy;
}

WorkerSnapshot::Death death(int status, std::string request) {
  return {.count = 1,
          .process = 999,
          .generation = 1,
          .status = status,
          .manner = "was killed",
          .unix_seconds = 5'000,
          .request = std::move(request)};
}

/// A prefork server that has been up for a minute; all its processes live.
Look look_at(std::vector<WorkerSnapshot> workers) {
  Look look{.snapshot = {.model = "quartet-fork",
                         .mode = "prefork",
                         .address = "127.0.0.1:8080",
                         .process = 4711,
                         .supervised = false,
                         .pid_namespace = 1,
                         .unix_seconds = 4'950,
                         .uptime = minutes(1),
                         .draining = std::nullopt,
                         .replaced = 0,
                         .deaths = 0,
                         .totals = {},
                         .workers = std::move(workers)}};
  look.server = Life::alive;
  for (const WorkerSnapshot& each : look.snapshot.workers) {
    look.workers.push_back(each.state == State::free ? Life::none : Life::alive);
    look.snapshot.totals += each.counts;
    look.snapshot.deaths += each.last_death ? each.last_death->count : 0;
  }
  return look;
}

std::string text_of(const std::vector<Line>& lines) {
  std::string text;
  for (const Line& line : lines) text += line.text + "\n";
  return text;
}

std::string show(const Look& look, const Display& display = {}) {
  return text_of(render(look, nullptr, display));
}

testing::AssertionResult contains(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "no \"" << part << "\" in:\n" << text;
}

/// The slots of the table, from the top.
std::vector<std::uint32_t> slots_shown(const Look& look, const Look* before, const Display& display) {
  const auto lines = render(look, before, display);
  auto line = std::ranges::find(lines, Style::heading, &Line::style);
  std::vector<std::uint32_t> slots;
  for (++line; line->text.front() == ' '; ++line)
    slots.push_back(static_cast<std::uint32_t>(std::stoul(line->text)));
  return slots;
}

/// As big as everything can be.
Look extreme_look() {
  WorkerSnapshot worst = running(UINT32_MAX, std::string(128, 'x'), nanoseconds::max());
  worst.generation = UINT32_MAX;
  worst.process = INT32_MAX;
  worst.counts.counters.fill(UINT64_MAX);
  worst.counts.gauges.fill(UINT64_MAX / 6);
  worst.last_death = death(SIGSEGV, std::string(128, 'y'));
  Look look = look_at({worst, worst});
  look.snapshot.model = look.snapshot.mode = look.snapshot.address = std::string(63, 'm');
  look.snapshot.process = INT32_MIN;
  look.snapshot.supervised = true;
  look.snapshot.uptime = nanoseconds::max();
  look.snapshot.draining = nanoseconds::max();
  look.snapshot.totals = worst.counts;
  look.snapshot.deaths = UINT64_MAX;
  look.trouble = std::string(200, 't');
  return look;
}

TEST(TopView, ShowsWhatTheServerIsAndWhatItsWorkersDo) {
  WorkerSnapshot busy = running(3, "GET /cpu?n=100", milliseconds(12));
  busy.counts.counters[1] = 1'234'567;
  busy.counts.gauges[5] = 498;
  const std::string text = show(look_at({worker(0), busy}));
  EXPECT_TRUE(contains(text, "quartet-fork prefork  127.0.0.1:8080  pid 4711  up 1m00s\n"));
  EXPECT_TRUE(contains(text, "2 workers  1,234,567 requests"));
  EXPECT_TRUE(
      contains(text, "498 open: 0 accepted, 0 reading, 0 running, 0 sleeping, 0 writing, 498 idle\n"));
  EXPECT_TRUE(
      contains(text, "   3    1003   1 X 1234k 20576   .   .   .   .   . 498  12ms GET /cpu?n=100\n"));
  EXPECT_TRUE(contains(text, "   0    1000   1 _     0     0   .   .   .   .   .   .       \n"));
}

TEST(TopView, NeverExceedsTheWidth) {
  for (const Life life : {Life::none, Life::alive, Life::stopped, Life::dead, Life::unknown}) {
    Look look = extreme_look();
    look.server = life;
    std::ranges::fill(look.workers, life);
    for (const std::size_t width : {1u, 20u, 40u, 80u, 81u, 111u, 112u, 200u, 1'000u}) {
      for (const Line& line : render(look, nullptr, {.width = width, .rows = 24}))
        EXPECT_LE(line.text.size(), width) << line.text;
    }
  }
}

TEST(TopView, KeepsColumnsUnderTheirHeadingsWhateverTheNumbers) {
  for (const std::size_t width : {std::size_t{80}, std::size_t{150}}) {
    const auto lines = render(extreme_look(), nullptr, {.width = width});
    const auto heading = std::ranges::find(lines, Style::heading, &Line::style);
    ASSERT_NE(heading, lines.end());
    EXPECT_EQ(heading->text.size(), width);
    EXPECT_EQ((heading + 1)->text.find('x'), heading->text.find("request in hand")) << (heading + 1)->text;
  }
}

TEST(TopView, NeverExceedsTheRows) {
  for (std::size_t rows = 1; rows < 30; ++rows)
    EXPECT_LE(render(extreme_look(), nullptr, {.rows = rows}).size(), rows);
}

TEST(TopView, LetsNothingSpeakToTheTerminal) {
  Look look = look_at({running(0, "GET /\x1b[2J\x07\x9b\n\xff", seconds(2))});
  look.snapshot.model = "\x1b]0;evil\x07";
  look.trouble = "scoreboard /tmp/\x1b: no";
  for (const Line& line : render(look, nullptr, {.width = 200})) {
    EXPECT_TRUE(std::ranges::all_of(line.text, [](char c) { return c >= ' ' && c <= '~'; })) << line.text;
  }
  EXPECT_TRUE(contains(show(look), "GET /?[2J????"));
}

TEST(TopView, MarksWhatIsCutOff) {
  const auto lines = render(look_at({running(0, std::string(40, 'x'), seconds(0))}), nullptr, {});
  const auto row = std::ranges::find(lines, Style::heading, &Line::style) + 1;
  EXPECT_EQ(row->text.size(), 80u);
  EXPECT_TRUE(row->text.ends_with("xx>")) << row->text;
}

TEST(TopView, TellsTheRequestsOfTheDead) {
  Look look = look_at({running(0, "POST /fault/segv", seconds(1)), worker(1)});
  look.server = Life::dead;
  std::ranges::fill(look.workers, Life::dead);
  const std::string text = show(look);
  EXPECT_TRUE(contains(text, "The server has died; it was running POST /fault/segv\n"));
  EXPECT_TRUE(contains(text, "started 1m00s ago\n"));
  EXPECT_TRUE(contains(text, "   1    1001   1 D"));
  EXPECT_FALSE(contains(text, "on average")) << "since when it is dead is not known";
}

TEST(TopView, SuspectsEveryRequestThatADeadServerWasRunning) {
  Look look = look_at({running(0, "GET /a", seconds(1)), running(1, "GET /b", seconds(1))});
  look.server = Life::dead;
  std::ranges::fill(look.workers, Life::dead);
  EXPECT_TRUE(contains(show(look), "The server has died; it was running one of 2: GET /a, GET /b\n"));
}

TEST(TopView, DoesNotSuspectTheRequestsOfOrphans) {
  Look look = look_at({running(0, "GET /a", milliseconds(1)), worker(1)});
  look.server = Life::dead;
  EXPECT_TRUE(contains(show(look), "The server has died (2 workers left alive); no request was in hand\n"));
}

TEST(TopView, TellsADrainThatWasCutFromACrash) {
  Look look = look_at({worker(0)});
  look.server = Life::dead;
  look.snapshot.draining = seconds(20);
  EXPECT_TRUE(contains(show(look), "The server has ended amid its drain"));
  EXPECT_FALSE(contains(show(look), "has died"));
}

TEST(TopView, SaysThatAStoppedServerServesNobody) {
  Look look = look_at({worker(0)});
  look.snapshot.process = look.snapshot.workers[0].process;
  look.server = look.workers[0] = Life::stopped;
  const std::string text = show(look);
  EXPECT_TRUE(contains(text, "The server is stopped (SIGSTOP, or a debugger): nobody is served"));
  EXPECT_TRUE(contains(text, "   0    1000   1 T"));
}

TEST(TopView, TellsAStoppedParentFromStoppedWorkers) {
  Look parent = look_at({worker(0)});
  parent.server = Life::stopped;
  EXPECT_TRUE(contains(show(parent), "The parent is stopped (SIGSTOP, or a debugger); its workers"));
  Look child = look_at({worker(0), worker(1)});
  child.workers[1] = Life::stopped;
  EXPECT_TRUE(contains(show(child), "Worker 1 (pid 1001) is stopped (SIGSTOP, or a debugger)\n"));
}

TEST(TopView, NamesTheWorkerThatMayHang) {
  const Look look =
      look_at({running(0, "GET /short", milliseconds(999)), running(1, "GET /hang", minutes(3))});
  EXPECT_TRUE(contains(show(look), "Hung? Worker 1 (pid 1001) has been running for 3m: GET /hang\n"));
  const Look many = look_at({running(0, "GET /a", seconds(2)), running(1, "GET /b", seconds(5))});
  EXPECT_TRUE(
      contains(show(many), "Hung? 2 workers run for over 1s; worker 1 (pid 1001) for 5.0s: GET /b\n"));
}

TEST(TopView, TakesNoWorkerForHungThatIsStoppedOrQuick) {
  Look look = look_at({running(0, "GET /a", minutes(1)), running(1, "GET /b", milliseconds(1'000))});
  look.workers[0] = Life::stopped;
  EXPECT_FALSE(contains(show(look), "Hung?"));
}

TEST(TopView, NeverCallsAServerDeadThatItCannotSee) {
  Look look = look_at({running(0, "GET /a", minutes(1))});
  look.server = look.workers[0] = Life::unknown;
  look.elsewhere = true;
  const std::string text = show(look);
  EXPECT_TRUE(contains(text, "unknown: the server is in another pid namespace (container)\n"));
  EXPECT_TRUE(contains(text, "   0    1000   1 X"));
  EXPECT_FALSE(contains(text, "died"));
}

TEST(TopView, SaysThatTheServerDrains) {
  Look look = look_at({});
  look.snapshot.draining = milliseconds(3'200);
  EXPECT_TRUE(contains(show(look), "Draining for 3.2s\n"));
}

TEST(TopView, SaysWhatBecameOfTheFile) {
  Look look = look_at({});
  look.removed = true;
  EXPECT_TRUE(contains(show(look), "The file was removed:"));
  look.server = Life::dead;
  EXPECT_TRUE(contains(show(look), "The server has drained and removed its file: the last picture"));
  EXPECT_FALSE(contains(show(look), "has died"));
  look.trouble = "scoreboard /tmp/board: is truncated";
  EXPECT_TRUE(contains(show(look), "The last picture: scoreboard /tmp/board: is truncated\n"));
}

TEST(TopView, TellsOfANewServerWhileItIsNews) {
  Look look = look_at({});
  look.predecessor = 4700;
  EXPECT_FALSE(contains(show(look), "A new server"));
  look.snapshot.uptime = seconds(3);
  EXPECT_TRUE(contains(show(look), "A new server: its file has taken the place of pid 4700's\n"));
}

TEST(TopView, TellsTheLastDeath) {
  WorkerSnapshot replaced = worker(0);
  replaced.last_death = death(SIGSEGV, "POST /fault/segv");
  WorkerSnapshot earlier = worker(1);
  earlier.last_death = death(3 << 8, "");
  earlier.last_death->unix_seconds -= 10;
  EXPECT_TRUE(contains(show(look_at({replaced, earlier})),
                       "2 deaths, the last 10s ago: slot 0, pid 999, SIGSEGV in POST /fault/segv\n"));
  EXPECT_TRUE(contains(show(look_at({earlier})),
                       "1 death, the last 20s ago: slot 1, pid 999, exit status 3, no request in hand\n"));
}

TEST(TopView, ListsAFreeSlotOnlyForItsDeath) {
  WorkerSnapshot grave = worker(1, State::free);
  grave.last_death = death(SIGKILL, "GET /a");
  const Look look = look_at({worker(0, State::free), grave, worker(2)});
  EXPECT_EQ(slots_shown(look, nullptr, {}), (std::vector<std::uint32_t>{1, 2}));
  EXPECT_TRUE(
      contains(show(look), "   1       -   1 .     0     0   .   .   .   .   .   .       died: SIGKILL"));
  EXPECT_TRUE(contains(show(look), "1 worker  "));
}

TEST(TopView, CountsRatesFromTheLookBefore) {
  Look before = look_at({worker(0), worker(1)});
  before.snapshot.workers[0].counts.counters[1] = 100;
  before.snapshot.totals.counters[1] = 100;
  Look look = look_at({worker(0), worker(1), worker(2)});
  for (auto& each : look.snapshot.workers) each.counts.counters[1] = 1'100;
  look.snapshot.totals.counters[1] = 3'300;
  look.snapshot.uptime += seconds(2);
  const std::string text = text_of(render(look, &before, {}));
  EXPECT_TRUE(contains(text, "1,600/s  "));
  EXPECT_TRUE(contains(text, " req/s "));
  EXPECT_TRUE(contains(text, "   0    1000   1 _  1100   500"));
  EXPECT_TRUE(contains(text, "   2    1002   1 _  1100   550")) << "a slot that is new began at 0";
}

TEST(TopView, CountsNoRateFromAnotherServersLook) {
  Look before = look_at({worker(0)});
  before.snapshot.process = 1;
  before.snapshot.uptime = seconds(1);
  Look look = look_at({worker(0)});
  look.snapshot.workers[0].counts.counters[1] = 600;
  const std::string text = text_of(render(look, &before, {}));
  EXPECT_TRUE(contains(text, " avg/s "));
  EXPECT_TRUE(contains(text, "   0    1000   1 _   600    10"));
}

TEST(TopView, SortsByWhatIsAskedFor) {
  Look look = look_at({running(0, "a", seconds(1)), running(1, "b", seconds(3)), worker(2)});
  look.snapshot.workers[0].process = 30;
  look.snapshot.workers[1].process = 20;
  look.snapshot.workers[2].process = 10;
  look.snapshot.workers[0].counts.counters[1] = 5;
  look.snapshot.workers[2].counts.counters[1] = 9;
  Look before = look;
  before.snapshot.uptime -= seconds(1);
  before.snapshot.workers[2].counts.counters[1] = 8;
  before.snapshot.workers[0].counts.counters[1] = 0;
  const auto order = [&](Sort sort) { return slots_shown(look, &before, {.sort = sort}); };
  using Slots = std::vector<std::uint32_t>;
  EXPECT_EQ(order(Sort::slot), (Slots{0, 1, 2}));
  EXPECT_EQ(order(Sort::rate), (Slots{0, 2, 1}));
  EXPECT_EQ(order(Sort::requests), (Slots{2, 0, 1}));
  EXPECT_EQ(order(Sort::since), (Slots{1, 0, 2}));
  EXPECT_EQ(order(Sort::pid), (Slots{2, 1, 0}));
}

TEST(TopView, CountsTheWorkersThatAreNotShown) {
  std::vector<WorkerSnapshot> workers;
  for (std::uint32_t slot = 0; slot < 40; ++slot) workers.push_back(worker(slot));
  workers[39].counts.counters[1] = 7;
  const auto lines = render(look_at(workers), nullptr, {.rows = 24, .sort = Sort::requests});
  ASSERT_EQ(lines.size(), 24u);
  EXPECT_TRUE(contains(lines.back().text, "sort: requests"));
  EXPECT_TRUE(lines.back().text.ends_with("22 workers not shown")) << lines.back().text;
  EXPECT_EQ(lines.back().text.size(), 80u);
  EXPECT_TRUE(lines[4].text.starts_with("  39 ")) << "the most interesting one is on top";
}

TEST(TopView, FitsSixteenWorkersADeathAndAnAlertOnto24Rows) {
  std::vector<WorkerSnapshot> workers;
  for (std::uint32_t slot = 0; slot < 16; ++slot) workers.push_back(worker(slot));
  workers[0].last_death = death(SIGSEGV, "");
  workers[1] = running(1, "GET /hang", minutes(1));
  EXPECT_FALSE(contains(show(look_at(workers), {.rows = 24}), "not shown"));
}

TEST(TopView, HasMoreColumnsOnAWiderTerminal) {
  const Look look = look_at({running(0, std::string(40, 'x'), seconds(0))});
  EXPECT_FALSE(contains(show(look, {.width = 111}), " t/out recvd "));
  EXPECT_TRUE(contains(show(look, {.width = 140}), " t/out recvd "));
  EXPECT_TRUE(contains(show(look, {.width = 140}), std::string(40, 'x')));
}

TEST(TopView, ShowsNoKeysWhereThereAreNone) {
  EXPECT_FALSE(contains(show(look_at({worker(0)})), "q quit"));
  EXPECT_TRUE(contains(show(look_at({worker(0)}), {.rows = 24, .interval = milliseconds(250)}),
                       "q quit  s sort: slot  + - every 250ms\n"));
}

TEST(Compact, RoundsDownIntoItsWidth) {
  EXPECT_EQ(compact(0, 3), "0");
  EXPECT_EQ(compact(999, 3), "999");
  EXPECT_EQ(compact(1'000, 3), "1k");
  EXPECT_EQ(compact(99'999, 3), "99k");
  EXPECT_EQ(compact(199'999, 3), ".1M");
  EXPECT_EQ(compact(99'999, 5), "99999");
  EXPECT_EQ(compact(1'999'999, 5), "1999k");
  EXPECT_EQ(compact(12'390'000, 5), "12.3M");
  EXPECT_EQ(compact(UINT64_MAX, 3), "18E");
}

TEST(Compact, NeverExceedsItsWidth) {
  for (std::size_t width = 3; width <= 8; ++width) {
    for (std::uint64_t number = 1; number < UINT64_MAX / 3; number *= 3) {
      for (const std::uint64_t near : {number - 1, number, number + 1})
        EXPECT_LE(compact(near, width).size(), width) << near;
    }
  }
}

TEST(FormatAge, TakesOneUnitAndFiveCharacters) {
  EXPECT_EQ(format_age(nanoseconds(-1)), "0ms");
  EXPECT_EQ(format_age(milliseconds(999)), "999ms");
  EXPECT_EQ(format_age(milliseconds(9'990)), "9.9s");
  EXPECT_EQ(format_age(seconds(59)), "59s");
  EXPECT_EQ(format_age(minutes(59)), "59m");
  EXPECT_EQ(format_age(hours(23)), "23h");
  EXPECT_EQ(format_age(hours(48)), "2d");
  EXPECT_EQ(format_age(nanoseconds::max()), "9999d");
}

}  // namespace
}  // namespace quartet::app
