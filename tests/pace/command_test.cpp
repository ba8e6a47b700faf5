// The executable: what it prints, writes and exits with.
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

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
}

TEST(PaceCommand, RefusesAFileThatItCannotWriteBeforeTheRun) {
  const auto finished = suite::run(pace({"127.0.0.1:1", "--records", "/nonexistent/file"}));
  EXPECT_EQ(finished.ending, exited(1));
  EXPECT_EQ(finished.err, "quartet-pace: open /nonexistent/file: No such file or directory\n");
}

TEST(PaceCommand, ExplainsItself) {
  const auto finished = suite::run(suite::server_command("quartet-pace", {"--help"}));
  EXPECT_EQ(finished.ending, exited(0));
  for (const auto* part : {"--rate", "--mix", "--newcomer", "--hold", "--records", "130"})
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

}  // namespace
}  // namespace quartet::pace
