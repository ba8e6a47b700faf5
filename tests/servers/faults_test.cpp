// What faults do beside what the catalogue says of them; and a drain ends what is left.
#include <gtest/gtest.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "common/faults/catalogue.h"
#include "tests/servers/configuration.h"
#include "tests/servers/process_table.h"

namespace quartet::suite {
namespace {

using FaultsTest = ServerTest;
QUARTET_EVERY_CONFIGURATION(FaultsTest);

std::vector<std::string> fault_paths() {
  std::vector<std::string> paths;
  for (const auto& fault : app::catalogue()) {
    if (fault.kind == app::FaultKind::handler) paths.push_back("/fault/" + fault.id);
  }
  return paths;
}

TEST_P(FaultsTest, SpinAndBlockEndAfterTheTimeAskedFor) {
  const auto server = start_with_faults();
  TestClient client(server);
  for (const auto* path : {"/fault/spin?ms=100", "/fault/block?ms=100"}) {
    const auto start_time = Clock::now();
    EXPECT_EQ(client.exchange(request("POST", path)).status, 200);
    EXPECT_GE(Clock::now() - start_time, 100ms) << path;
  }
}

TEST_P(FaultsTest, AHandlerThatNeverEndsDoesNotOutliveTheDrainTimeout) {
  for (const auto* path : {"/fault/spin", "/fault/block"}) {
    SCOPED_TRACE(path);
    auto server = start_with_faults({"--drain-timeout", "100ms"});
    TestClient hung(server);
    hung.send(request("POST", path));
    server.await_taken();
    server.signal(SIGTERM);
    const auto ending = server.wait_exit();
    // A hung loop cannot cut anything: the alarm ends it. Elsewhere somebody is left to say what was cut.
    EXPECT_TRUE(ending == killed_by(SIGALRM) || (ending == exited(3) && !GetParam().hangs_with_handlers()))
        << testing::PrintToString(ending);
    EXPECT_TRUE(eventually([&] { return server.processes().empty(); }));
    EXPECT_EQ(hung.read_to_end().bytes, "");
  }
}

TEST_P(FaultsTest, ABlockedHandlerUsesNoProcessorAndASpinningOneDoes) {
  const auto server = start_with_faults();
  TestClient blocked(server), spinning(server);
  blocked.send(request("POST", "/fault/block"));
  server.await_taken();
  const auto before = server.cpu_time();
  EXPECT_TRUE(blocked.silent_for(1s));
  EXPECT_LT(server.cpu_time() - before, 300ms);
  if (GetParam().handlers_in_loop()) return;  // it may be the loop that is blocked
  spinning.send(request("POST", "/fault/spin"));
  EXPECT_TRUE(eventually([&] { return server.cpu_time() - before > 400ms; }));
}

TEST_P(FaultsTest, ALeakGrowsAndLivesAsLongAsItsProcess) {
  const auto server = start_with_faults();
  TestClient client(server);
  const auto leak = [&](const std::string& query) {
    return client.exchange(request("POST", "/fault/leak" + query)).body;
  };
  const bool forgotten = GetParam().process_per_request;
  EXPECT_EQ(leak(""), "leaked 1 MiB, 1 MiB in this process by now\n");
  EXPECT_EQ(leak("?mib=64"), forgotten ? "leaked 64 MiB, 64 MiB in this process by now\n"
                                       : "leaked 64 MiB, 65 MiB in this process by now\n");
  if (forgotten) return;
  const auto pid = nlohmann::json::parse(client.get("/whoami").body).at("pid").get<pid_t>();
  EXPECT_GE(resident_memory(pid), std::uint64_t{65} << 20);
}

TEST_P(FaultsTest, ABadParameterIsNamedAndHarmsNobody) {
  const auto server = start_with_faults();
  TestClient client(server);
  for (const auto& [target, reason] :
       {std::pair{"/fault/spin?ms=x", "ms: \"x\" is not a whole number from 0 to 60000\n"},
        {"/fault/block?ms=-1", "ms: \"-1\" is not a whole number from 0 to 60000\n"},
        {"/fault/block?ms=", "ms: \"\" is not a whole number from 0 to 60000\n"},
        {"/fault/leak?mib=1025", "mib: \"1025\" is not a whole number from 0 to 1024\n"}}) {
    const auto answer = client.exchange(request("POST", target));
    EXPECT_EQ(answer.status, 400);
    EXPECT_EQ(answer.body, reason);
    EXPECT_FALSE(answer.closes());
  }
}

TEST_P(FaultsTest, EveryFaultIsPostOnlyAndListed) {
  const auto server = start_with_faults();
  TestClient client(server);
  const auto index = client.get("/").body;
  for (const auto& path : fault_paths()) {
    EXPECT_EQ(client.get(path).status, 405) << path;
    EXPECT_NE(index.find("<td>" + path + "<td>"), std::string::npos) << path;
  }
}

TEST_P(FaultsTest, WithoutTheOptionThereAreNone) {
  const auto server = start();
  TestClient client(server);
  for (const auto& path : fault_paths())
    EXPECT_EQ(client.exchange(request("POST", path)).status, 404) << path;
}

}  // namespace
}  // namespace quartet::suite
