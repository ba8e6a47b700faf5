// The executable: what it prints, writes and exits with.
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "loadtest/pace/record.h"
#include "tests/servers/process_table.h"
#include "tests/servers/server_process.h"

namespace quartet::pace {
namespace {

using suite::exited;
using suite::ServerProcess;
using Json = nlohmann::json;

ServerProcess start_server() {
  return ServerProcess(suite::server_command("quartet-epoll", {"--listen", "127.0.0.1:0"}));
}

std::string address_of(const ServerProcess& server) { return "127.0.0.1:" + std::to_string(server.port()); }

/// Nothing here is about time: whatever the machine does, the schedule was kept.
suite::Command pace(std::vector<std::string> arguments) {
  arguments.insert(arguments.end(), {"--tolerance", "60s"});
  return suite::server_command("quartet-pace", std::move(arguments));
}

/// The same by way of a shell, which redirects.
suite::Command pace_with(const std::string& redirection, std::vector<std::string> arguments) {
  auto command = pace(std::move(arguments));
  command.arguments.insert(command.arguments.begin(),
                           {"-c", "exec \"$0\" \"$@\" " + redirection, command.executable});
  command.executable = "/bin/sh";
  return command;
}

std::string temporary(const std::string& name) {
  return testing::TempDir() + "pace." + std::to_string(::getpid()) + "." + name;
}

TEST(PaceCommand, PrintsTheTextThoughAFileCannotBeWritten) {
  const auto server = start_server();
  for (const auto* option : {"--json", "--records", "--histogram"}) {
    const auto finished =
        suite::run(pace({address_of(server), "--duration", "100ms", "--rate", "100", option, "/dev/full"}));
    EXPECT_EQ(finished.ending, exited(1)) << option;
    EXPECT_EQ(finished.err, "quartet-pace: write /dev/full: No space left on device\n") << option;
    EXPECT_NE(finished.out.find("10 requests: 10 ok"), std::string::npos) << option << finished.out;
  }
}

TEST(PaceCommand, WritesItsFilesThoughStdoutTakesNothing) {
  const auto server = start_server();
  const auto json = temporary("json");
  const auto finished = suite::run(
      pace_with(">/dev/full", {address_of(server), "--duration", "100ms", "--rate", "100", "--json", json}));
  EXPECT_EQ(finished.err, "quartet-pace: write stdout: No space left on device\n");
  EXPECT_EQ(Json::parse(std::ifstream(json))["lanes"][0]["outcomes"]["ok"], 10);
  std::remove(json.c_str());
}

TEST(PaceCommand, AReaderThatLeavesCostsTheTextOnly) {
  const auto server = start_server();
  const auto json = temporary("left.json"), left = temporary("left");
  auto command = pace_with("; } | { exec <&-; : >" + left + "; }",
                           {address_of(server), "--duration", "100ms", "--rate", "100", "--json", json});
  command.arguments[1] = "{ until [ -e " + left + " ]; do sleep 0.01; done; " + command.arguments[1];
  const auto finished = suite::run(command);
  EXPECT_EQ(finished.err, "quartet-pace: write stdout: Broken pipe\n");
  EXPECT_EQ(Json::parse(std::ifstream(json))["lanes"][0]["outcomes"]["ok"], 10);
  for (const auto& name : {json, left}) std::remove(name.c_str());
}

TEST(PaceCommand, ExitsWithOneWhenStdoutIsFull) {
  const auto server = start_server();
  for (const auto* option : {"--json=-", "--announce"}) {
    const auto finished = suite::run(
        pace_with(">/dev/full", {address_of(server), "--duration", "100ms", "--rate", "100", option}));
    EXPECT_EQ(finished.ending, exited(1)) << option;
    EXPECT_EQ(finished.err, "quartet-pace: write stdout: No space left on device\n") << option;
  }
  EXPECT_EQ(suite::run(pace_with(">/dev/full", {"--help"})).ending, exited(1));
}

TEST(PaceCommand, RefusesAClosedStdoutBeforeTheRun) {
  const auto finished = suite::run(pace_with(">&-", {"127.0.0.1:1", "--duration", "1000s"}));
  EXPECT_EQ(finished.ending, exited(1));
  EXPECT_EQ(finished.err, "quartet-pace: stdout is closed\n");
}

TEST(PaceCommand, NoConnectionTakesThePlaceOfAClosedStderr) {
  const auto server = start_server();
  const auto finished = suite::run(pace_with(
      "<&- 2>&-", {address_of(server), "--duration", "100ms", "--rate", "100", "--json", "/dev/full"}));
  EXPECT_EQ(finished.ending, exited(1));
  EXPECT_NE(finished.out.find("10 requests: 10 ok"), std::string::npos) << finished.out;
}

TEST(PaceCommand, AFileThatMayNotGrowCostsThatFileOnly) {
  const auto server = start_server();
  const auto records = temporary("limited.records");
  auto command =
      pace_with("", {address_of(server), "--duration", "100ms", "--rate", "1000", "--records", records});
  command.arguments[1] = "ulimit -f 8; " + command.arguments[1];
  const auto finished = suite::run(command);
  EXPECT_EQ(finished.ending, exited(1));
  EXPECT_EQ(finished.err, "quartet-pace: write " + records + ": File too large\n");
  EXPECT_NE(finished.out.find("100 requests: 100 ok"), std::string::npos) << finished.out;
  std::remove(records.c_str());
}

TEST(PaceCommand, ReportsARunAndExitsWithZero) {
  const auto server = start_server();
  const auto finished = suite::run(pace({address_of(server), "--duration", "200ms", "--rate", "100"}));
  EXPECT_EQ(finished.ending, exited(0)) << finished.err;
  EXPECT_NE(finished.out.find("20 requests: 20 ok"), std::string::npos) << finished.out;
  EXPECT_EQ(finished.err, "");
}

TEST(PaceCommand, WritesJsonRecordsAndAHistogram) {
  const auto server = start_server();
  const auto path = [](const char* name) {
    return testing::TempDir() + "pace." + std::to_string(::getpid()) + name;
  };
  const auto json = path(".json"), records = path(".records"), histogram = path(".hist");
  const auto finished =
      suite::run(pace({address_of(server), "--duration", "200ms", "--rate", "100", "--worker", "--json", json,
                       "--records", records, "--histogram", histogram}));
  EXPECT_EQ(finished.ending, exited(0)) << finished.err;
  const auto summary = Json::parse(std::ifstream(json));
  EXPECT_EQ(summary["lanes"][0]["outcomes"]["ok"], 20);
  EXPECT_EQ(summary["workers"].size(), 1U);
  const auto file = read_records(records);
  ASSERT_EQ(file.records.size(), 20U);
  EXPECT_EQ(file.records[0].worker_process, server.pid());
  std::string line;
  std::ifstream stream(histogram);
  std::getline(stream, line);
  EXPECT_NE(line.find("Percentile TotalCount"), std::string::npos);
  for (const auto& name : {json, records, histogram}) std::remove(name.c_str());
}

TEST(PaceCommand, KeepsWhatItMeasuredWhenItIsInterrupted) {
  const auto server = start_server();
  const auto records = testing::TempDir() + "pace.interrupted." + std::to_string(::getpid());
  suite::ChildProcess process(
      pace({address_of(server), "--duration", "1000s", "--json", "-", "--records", records}));
  ASSERT_TRUE(suite::eventually([&] { return suite::port_queues(server.port()).connections > 0; }));
  process.signal(SIGINT);
  EXPECT_EQ(process.wait_exit(), exited(130));
  const auto summary = Json::parse(process.out());
  EXPECT_EQ(summary["interrupted"], true);
  EXPECT_EQ(summary["lanes"][0]["requests"], read_records(records).records.size());
  std::remove(records.c_str());
}

TEST(PaceCommand, ExitsWithOneWhenNobodyListens) {
  const auto finished = suite::run(pace({"127.0.0.1:1", "--duration", "100ms"}));
  EXPECT_EQ(finished.ending, exited(1));
  EXPECT_EQ(finished.err, "quartet-pace: connect 127.0.0.1:1: Connection refused\n");
}

TEST(PaceCommand, ExitsWithOneWhenNothingIsAnswered) {
  const auto finished = suite::run(pace({"127.0.0.1:1", "--duration", "100ms", "--fresh"}));
  EXPECT_EQ(finished.ending, exited(1));
  EXPECT_NE(finished.out.find("refused"), std::string::npos);
}

TEST(PaceCommand, ExitsWithTwoForAUsageError) {
  const auto finished = suite::run(pace({"127.0.0.1:1", "--rate", "many"}));
  EXPECT_EQ(finished.ending, exited(2));
  EXPECT_EQ(finished.err, "quartet-pace: --rate: \"many\" is not a number from 0 to 10000000\n");
  EXPECT_EQ(finished.out, "");
  EXPECT_EQ(suite::run(pace({"127.0.0.1:1", "--closed", "--fault", "1s:/fault/segv"})).ending, exited(2));
}

TEST(PaceCommand, RefusesAFileThatItCannotWriteBeforeTheRun) {
  const auto finished = suite::run(pace({"127.0.0.1:1", "--records", "/nonexistent/file"}));
  EXPECT_EQ(finished.ending, exited(1));
  EXPECT_EQ(finished.err, "quartet-pace: open /nonexistent/file: No such file or directory\n");
}

TEST(PaceCommand, ExplainsItself) {
  const auto finished = suite::run(suite::server_command("quartet-pace", {"--help"}));
  EXPECT_EQ(finished.ending, exited(0));
  for (const auto* part : {"--rate", "--closed", "--pipeline", "--mix", "--newcomer", "--hold", "--records",
                           "--fault", "--rude", "--same-body", "130"})
    EXPECT_NE(finished.out.find(part), std::string::npos) << part;
}

TEST(PaceCommand, HoldsConnectionsAgainstAServer) {
  const auto server = start_server();
  const auto finished = suite::run(pace({address_of(server), "--rate", "0", "--hold", "500", "--sources", "4",
                                         "--duration", "300ms", "--json", "-"}));
  EXPECT_EQ(finished.ending, exited(0)) << finished.err;
  const auto held = Json::parse(finished.out)["held"];
  EXPECT_EQ(held["opened"], 500);
  EXPECT_EQ(held["served"], 500);
  EXPECT_EQ(held["closed_by_server"], 0);
}

TEST(PaceCommand, AnnouncesOnceAllHeldConnectionsHaveBeenServed) {
  const auto server = start_server();
  suite::ChildProcess process(pace({address_of(server), "--rate", "0", "--hold", "100", "--duration", "1000s",
                                    "--announce", "--json", "-"}));
  ASSERT_TRUE(suite::eventually([&] { return process.out().ends_with('\n'); }));
  EXPECT_EQ(process.out(), "holding 100\n");
  process.signal(SIGINT);
  EXPECT_EQ(process.wait_exit(), exited(130));
  EXPECT_EQ(Json::parse(process.out().substr(process.out().find('{')))["held"]["closed_by_server"], 0);
}

TEST(PaceCommand, NewcomersCanComeWithoutALoad) {
  const auto server = start_server();
  const auto records = temporary("newcomers");
  const auto finished =
      suite::run(pace({address_of(server), "--rate", "0", "--newcomer", "20ms:/json", "--hold", "8",
                       "--duration", "200ms", "--announce", "--json", "-", "--records", records}));
  EXPECT_EQ(finished.ending, exited(0)) << finished.err;
  EXPECT_TRUE(finished.out.starts_with("holding 8\n")) << finished.out;
  const auto lanes = Json::parse(finished.out.substr(finished.out.find('{')))["lanes"];
  ASSERT_EQ(lanes.size(), 1U);
  EXPECT_EQ(lanes[0]["name"], "newcomer");
  EXPECT_EQ(lanes[0]["target"], "/json");
  EXPECT_EQ(lanes[0]["outcomes"]["ok"], 10);
  EXPECT_EQ(read_records(records).records.size(), 10U);
  std::remove(records.c_str());
}

TEST(PaceCommand, AFaultBesideALoadIsReportedAndLossesAreNoErrorOfTheRun) {
  const ServerProcess server(
      suite::server_command("quartet-epoll", {"--listen", "127.0.0.1:0", "--enable-faults"}));
  const auto records = temporary("faulty.records");
  const auto finished = suite::run(pace(
      {address_of(server), "--rate", "100", "--duration", "500ms", "--worker", "--same-body", "--newcomer",
       "50ms", "--fault", "250ms:/fault/segv", "--fault-retries", "2", "--json", "-", "--records", records}));
  EXPECT_EQ(finished.ending, exited(0)) << finished.err;
  const auto summary = Json::parse(finished.out);
  EXPECT_EQ(summary["valid"], true);
  const auto lane = summary["lanes"][2];
  EXPECT_EQ(lane["name"], "faulty");
  EXPECT_EQ(lane["requests"], 5 + 2);
  EXPECT_EQ(lane["fault"]["at_ms"], 250.0);
  EXPECT_EQ(lane["fault"]["outcome"], "EOF_before_response");
  EXPECT_EQ(lane["fault"]["retries"].size(), 2U);
  EXPECT_EQ(lane["fault"]["retries"][1]["outcome"], "refused");
  std::vector<Record> faulty;
  for (const auto& record : read_records(records).records)
    if (record.lane == 2) faulty.push_back(record);
  ASSERT_EQ(faulty.size(), 7U);
  EXPECT_EQ(faulty[2].due, 250'000'000);
  EXPECT_EQ(faulty[2].worker_process, 0);
  EXPECT_EQ(faulty[1].worker_process, server.pid());
  EXPECT_EQ(faulty[1].connection, faulty[2].connection);  // so its worker is known
  std::remove(records.c_str());
}

TEST(PaceCommand, RequestsToAServerThatHangsWereSentOverConnectionsThatAreKnown) {
  const auto server = start_server();
  const auto records = temporary("hung.records");
  ::kill(server.pid(), SIGSTOP);  // the kernel goes on letting connections in
  const auto finished =
      suite::run(pace({address_of(server), "--rate", "100", "--duration", "200ms", "-c", "3", "--timeout",
                       "0", "--grace", "100ms", "--newcomer", "100ms", "--records", records}));
  ::kill(server.pid(), SIGCONT);
  EXPECT_EQ(finished.ending, exited(1));
  std::set<std::uint32_t> kept, fresh;
  for (const auto& record : read_records(records).records) {
    EXPECT_EQ(record.outcome, Outcome::unanswered);
    EXPECT_EQ(record.done, Record::kNever);
    EXPECT_EQ(record.worker_process, 0);
    EXPECT_EQ(record.connection == 0, record.sent == Record::kNever);  // it waits here
    if (record.connection != 0) (record.lane == 0 ? kept : fresh).insert(record.connection);
  }
  EXPECT_EQ(kept.size(), 3U);  // each of them has one in hand
  EXPECT_EQ(fresh.size(), 2U);
  std::remove(records.c_str());
}

TEST(PaceCommand, RudeClientsAreThrownOutAndTheOthersServed) {
  // A new connection must send something within the header timeout: the load's few do so at once.
  const ServerProcess server(suite::server_command(
      "quartet-epoll",
      {"--listen", "127.0.0.1:0", "--header-timeout", "1500ms", "--keep-alive-timeout", "30s"}));
  const auto finished =
      suite::run(pace({address_of(server), "--rate", "100", "--connections", "4", "--duration", "5s",
                       "--rude", "100ms:slow-header=30", "--rude", "0ms:abort=2:/bytes?n=1000000", "--rude",
                       "0ms:slow-reader=2:/bytes?n=1000000", "--rude", "200ms:flood=30", "--json", "-"}));
  EXPECT_EQ(finished.ending, exited(0)) << finished.err;
  const auto summary = Json::parse(finished.out);
  EXPECT_EQ(summary["lanes"].size(), 1U);
  EXPECT_EQ(summary["lanes"][0]["requests"], 500);
  EXPECT_EQ(summary["lanes"][0]["outcomes"]["ok"], 500);
  const auto rude = summary["rude"];
  EXPECT_EQ(rude[0]["opened"], 30);
  EXPECT_EQ(rude[0]["statuses"].dump(), R"({"408":30})");
  EXPECT_EQ(rude[0]["closed_by_server"], 30);
  EXPECT_GT(rude[1]["opened"], 2);
  EXPECT_EQ(rude[1]["closed_by_server"], 0);
  EXPECT_EQ(rude[2]["statuses"].dump(), R"({"200":2})");
  EXPECT_EQ(rude[3]["opened"], 30);
}

TEST(PaceCommand, WhoStillWaitsAtTheEndWasNeverAnswered) {
  const auto server = start_server();
  const auto finished =
      suite::run(pace({address_of(server), "--rate", "0", "--newcomer", "20ms:/sleep?ms=60000", "--duration",
                       "200ms", "--grace", "0ms", "--json", "-"}));
  EXPECT_EQ(finished.ending, exited(1));
  EXPECT_EQ(finished.err, "quartet-pace: " + address_of(server) + " answered nothing\n");
  EXPECT_EQ(Json::parse(finished.out)["lanes"][0]["outcomes"]["never_answered"], 10);
}

TEST(PaceCommand, AClosedLoopAsksAgainAndAgain) {
  // A server that rotates connections loses what stands behind its last answer.
  const ServerProcess server(suite::server_command(
      "quartet-epoll", {"--listen", "127.0.0.1:0", "--max-requests-per-connection", "0"}));
  const auto finished = suite::run(pace({address_of(server), "--closed", "--connections", "4", "--pipeline",
                                         "3", "--duration", "200ms", "--newcomer", "20ms", "--json", "-"}));
  EXPECT_EQ(finished.ending, exited(0)) << finished.err;
  const auto lanes = Json::parse(finished.out)["lanes"];
  ASSERT_EQ(lanes.size(), 2U);
  EXPECT_EQ(lanes[0]["outcomes"]["ok"], lanes[0]["requests"]);
  EXPECT_GT(lanes[0]["requests"], 4 * 3);
  EXPECT_EQ(lanes[0]["connections_answered"], 4);
  EXPECT_EQ(lanes[0]["closed_loop"]["pipeline"], 3);
  EXPECT_TRUE(lanes[1]["closed_loop"].is_null());
  EXPECT_EQ(lanes[1]["outcomes"]["ok"], 10);
  std::uint64_t counted = 0;
  for (const auto& entry : lanes[0]["latency_histogram"]) counted += entry[1].get<std::uint64_t>();
  EXPECT_EQ(counted, lanes[0]["requests"]);
}

TEST(PaceCommand, AnOverloadedServerIsMeasuredAndValid) {
  const auto server = start_server();
  const auto finished = suite::run(pace({address_of(server), "/sleep?ms=100", "--rate", "1000", "-c", "2",
                                         "--duration", "300ms", "--grace", "100ms", "--json", "-"}));
  EXPECT_EQ(finished.ending, exited(0)) << finished.err;
  const auto summary = Json::parse(finished.out);
  EXPECT_EQ(summary["valid"], true);
  const auto lane = summary["lanes"][0];
  EXPECT_GT(lane["outcomes"]["never_answered"], 200);
  EXPECT_EQ(lane["latency"]["count"], 300);
  EXPECT_EQ(lane["latency"]["censored"], lane["outcomes"]["never_answered"]);
  EXPECT_GE(lane["latency"]["p99_ms"], 100);
}

TEST(PaceCommand, RefusesRecordsOfAClosedLoop) {
  const auto finished = suite::run(pace({"127.0.0.1:1", "--closed", "--records", temporary("none")}));
  EXPECT_EQ(finished.ending, exited(2));
  EXPECT_EQ(
      finished.err,
      "quartet-pace: --records: a closed loop (--closed) keeps a histogram, and no record of a request\n");
}

TEST(PaceCommand, ASingleRequestThatKillsTheServerIsReported) {
  const ServerProcess server(
      suite::server_command("quartet-epoll", {"--listen", "127.0.0.1:0", "--enable-faults"}));
  const auto json = temporary("fault.json"), records = temporary("fault.records");
  const auto finished =
      suite::run(pace({address_of(server), "/fault/segv", "--method", "POST", "--rate", "10", "--duration",
                       "100ms", "--connections", "1", "--json", json, "--records", records}));
  EXPECT_EQ(finished.ending, exited(1));
  const auto lane = Json::parse(std::ifstream(json))["lanes"][0];
  EXPECT_EQ(lane["requests"], 1);
  EXPECT_EQ(lane["connections_answered"], 0);
  const auto file = read_records(records);
  ASSERT_EQ(file.records.size(), 1U);
  EXPECT_EQ(file.records[0].due, 0);
  EXPECT_EQ(file.records[0].outcome, Outcome::eof);  // it had been read
  for (const auto& name : {json, records}) std::remove(name.c_str());
}

}  // namespace
}  // namespace quartet::pace
