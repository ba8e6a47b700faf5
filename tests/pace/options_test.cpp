#include "loadtest/pace/options.h"

#include <gtest/gtest.h>

#include <vector>

namespace quartet::pace {
namespace {

using namespace std::chrono_literals;

Options parse(std::vector<const char*> words) {
  words.insert(words.begin(), {"quartet-pace", "127.0.0.1:8080"});
  return parse_options(static_cast<int>(words.size()), words.data());
}

std::string error_of(std::vector<const char*> words) try {
  parse(std::move(words));
  return "";
} catch (const UsageError& error) {
  return error.what();
}

TEST(PaceOptions, HaveDefaultsThatMakeARun) {
  const auto plan = parse({}).plan;
  EXPECT_EQ(plan.server.to_string(), "127.0.0.1:8080");
  ASSERT_EQ(plan.lanes.size(), 1U);
  EXPECT_EQ(plan.lanes[0].request, "GET /plaintext HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n");
  EXPECT_EQ(plan.lanes[0].arrivals.rate, 1000);
  EXPECT_EQ(plan.lanes[0].arrivals.last_rate, 1000);
  EXPECT_EQ(plan.duration, 10s);
}

TEST(PaceOptions, BuildTheRequest) {
  const auto lane = parse({"/echo", "--method", "POST", "--body", "abc", "--header", "A: 1", "--header",
                           "B: 2", "--worker", "--fresh"})
                        .plan.lanes[0];
  EXPECT_EQ(lane.request,
            "POST /echo HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nA: 1\r\nB: 2\r\nQuartet-Worker: ?\r\n"
            "Connection: close\r\nContent-Length: 3\r\n\r\nabc");
  EXPECT_EQ(lane.method, http::Method::post);
  EXPECT_TRUE(lane.fresh);
}

TEST(PaceOptions, AHeaderReplacesTheOneThatPaceSendsByItself) {
  const auto lane = parse({"--header", "host: example.org", "--header", "CONNECTION: keep-alive", "--header",
                           "Quartet-Worker: 1", "--fresh", "--worker"})
                        .plan.lanes[0];
  EXPECT_EQ(
      lane.request,
      "GET /plaintext HTTP/1.1\r\nhost: example.org\r\nCONNECTION: keep-alive\r\nQuartet-Worker: 1\r\n\r\n");
}

TEST(PaceOptions, OtherClientsThanTheLoadKeepTheirOwnHeaders) {
  const auto plan = parse({"--header", "Host: example.org", "--newcomer", "100ms", "--hold", "1"}).plan;
  EXPECT_NE(plan.lanes[1].request.find("Host: 127.0.0.1:8080\r\n"), std::string::npos);
  EXPECT_NE(plan.hold_request.find("Host: 127.0.0.1:8080\r\n"), std::string::npos);
}

TEST(PaceOptions, RefuseAHeaderThatSaysWhereTheBodyEnds) {
  for (const auto* line : {"Content-Length: 5", "content-length: 0", "Transfer-Encoding: chunked"})
    EXPECT_NE(error_of({"--header", line}).find("--body"), std::string::npos) << line;
}

TEST(PaceOptions, RefuseWhatIsNoFieldLine) {
  for (const auto* line : {": x", "Host : x", " Host: x", "A: b\x7f", "A: b\x1b[2J", "\xe9: x"})
    EXPECT_NE(error_of({"--header", line}).find("is not a field line"), std::string::npos) << line;
  for (const auto* line : {"A:", "A: \xe9", "A:\tb"}) EXPECT_EQ(error_of({"--header", line}), "") << line;
}

TEST(PaceOptions, RefuseNamesOfClassesThatNoReportCanHold) {
  EXPECT_NE(error_of({"--mix", "caf\xe9=1:/"}).find("not UTF-8"), std::string::npos);
  EXPECT_NE(error_of({"--mix", "a\x1b=1:/"}).find("control character"), std::string::npos);
  EXPECT_EQ(error_of({"--mix", "caf\xc3\xa9=1:/"}), "");
}

TEST(PaceOptions, TakeARampAndPoissonArrivals) {
  const auto arrivals = parse({"--rate", "10:2.5", "--poisson", "--seed", "7"}).plan.lanes[0].arrivals;
  EXPECT_EQ(arrivals.rate, 10);
  EXPECT_EQ(arrivals.last_rate, 2.5);
  EXPECT_TRUE(arrivals.poisson);
  EXPECT_EQ(arrivals.seed, 7U);
}

TEST(PaceOptions, DivideTheRateByShares) {
  const auto lanes =
      parse({"--rate", "100", "--mix", "victim=9:/plaintext", "--mix", "aggressor=1:/cpu?units=5"})
          .plan.lanes;
  ASSERT_EQ(lanes.size(), 2U);
  EXPECT_EQ(lanes[0].name, "victim");
  EXPECT_DOUBLE_EQ(lanes[0].arrivals.rate, 90);
  EXPECT_DOUBLE_EQ(lanes[1].arrivals.rate, 10);
  EXPECT_EQ(lanes[1].target, "/cpu?units=5");
  EXPECT_NE(lanes[0].arrivals.phase, lanes[1].arrivals.phase);
  EXPECT_NE(lanes[0].arrivals.seed, lanes[1].arrivals.seed);
}

TEST(PaceOptions, TakeAClosedLoop) {
  const auto lane = parse({"--closed", "-c", "64", "--pipeline", "3"}).plan.lanes[0];
  EXPECT_TRUE(lane.closed);
  EXPECT_EQ(lane.connections, 64U);
  EXPECT_EQ(lane.pipeline, 3U);
  const std::string one = "GET /plaintext HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";
  EXPECT_EQ(lane.request, one + one + one);
  EXPECT_EQ(Schedule(lane.arrivals).next(), std::nullopt);
}

TEST(PaceOptions, KeepNewcomersBesideAClosedLoopOnTheirSchedule) {
  const auto lanes = parse({"--closed", "--pipeline", "2", "--newcomer", "100ms"}).plan.lanes;
  ASSERT_EQ(lanes.size(), 2U);
  EXPECT_FALSE(lanes[1].closed);
  EXPECT_EQ(lanes[1].pipeline, 1U);
  EXPECT_DOUBLE_EQ(lanes[1].arrivals.rate, 10);
}

TEST(PaceOptions, RefuseWithAClosedLoopWhatOnlyAScheduleHas) {
  EXPECT_TRUE(error_of({"--closed", "--rate", "1000"}).starts_with("--rate: "));
  EXPECT_TRUE(error_of({"--closed", "--poisson"}).starts_with("--poisson: "));
  EXPECT_TRUE(error_of({"--closed", "--mix", "a=1:/"}).starts_with("--mix: "));
  EXPECT_TRUE(error_of({"--closed", "--worker"}).starts_with("--worker: "));
  EXPECT_TRUE(error_of({"--closed", "--records", "file"}).starts_with("--records: "));
  EXPECT_TRUE(error_of({"--closed", "--fresh", "--pipeline", "2"}).starts_with("--pipeline: "));
  EXPECT_TRUE(error_of({"--pipeline", "2"}).starts_with("--pipeline: "));
  EXPECT_NE(error_of({"--closed", "--pipeline", "0"}).find("--pipeline"), std::string::npos);
  EXPECT_NE(error_of({"--closed", "--pipeline", "1001"}).find("--pipeline"), std::string::npos);
}

TEST(PaceOptions, TheFirstNewcomerComesAtOnceWhereThereIsNoLoad) {
  EXPECT_EQ(parse({"--newcomer", "100ms", "--rate", "0"}).plan.lanes[0].arrivals.phase, 0);
  EXPECT_EQ(parse({"--newcomer", "100ms"}).plan.lanes[1].arrivals.phase, 0.5);
}

TEST(PaceOptions, AddANewcomer) {
  const auto lanes = parse({"--newcomer", "100ms"}).plan.lanes;
  ASSERT_EQ(lanes.size(), 2U);
  EXPECT_EQ(lanes[1].name, "newcomer");
  EXPECT_TRUE(lanes[1].fresh);
  EXPECT_DOUBLE_EQ(lanes[1].arrivals.rate, 10);
}

TEST(PaceOptions, ANewcomerAsksForATargetOfItsOwn) {
  const auto lanes = parse({"--newcomer", "100ms:/sleep?ms=1", "--rate", "0"}).plan.lanes;
  ASSERT_EQ(lanes.size(), 1U);
  EXPECT_EQ(lanes[0].target, "/sleep?ms=1");
  EXPECT_TRUE(lanes[0].request.starts_with("GET /sleep?ms=1 HTTP/1.1\r\n"));
  EXPECT_EQ(parse({"--newcomer", "100ms"}).plan.lanes[1].target, "/plaintext");
}

TEST(PaceOptions, HeldConnectionsAskForATargetOfTheirOwn) {
  const auto plan = parse({"--hold", "16:/sleep?ms=1000"}).plan;
  EXPECT_EQ(plan.hold, 16U);
  EXPECT_TRUE(plan.hold_request.starts_with("GET /sleep?ms=1000 HTTP/1.1\r\n"));
  EXPECT_TRUE(parse({"--hold", "16"}).plan.hold_request.starts_with("GET /plaintext "));
}

TEST(PaceOptions, TakeAGraceOfNothing) { EXPECT_EQ(parse({"--grace", "0ms"}).plan.grace, 0ms); }

TEST(PaceOptions, CanHoldConnectionsAndAskNothing) {
  const auto plan = parse({"--rate", "0", "--hold", "10000", "--sources", "4"}).plan;
  EXPECT_TRUE(plan.lanes.empty());
  EXPECT_EQ(plan.hold, 10'000U);
  EXPECT_EQ(plan.sources, 4U);
}

TEST(PaceOptions, RefuseInOneSentenceThatNamesTheOption) {
  EXPECT_NE(error_of({"--rate", "many"}).find("--rate"), std::string::npos);
  EXPECT_NE(error_of({"--rate", "-1"}).find("--rate"), std::string::npos);
  EXPECT_NE(error_of({"--rate", "nan"}).find("--rate"), std::string::npos);
  EXPECT_NE(error_of({"--rate", "0"}).find("--hold"), std::string::npos);
  EXPECT_NE(error_of({"--rate", "1000000", "-d", "3600s"}).find("--duration"), std::string::npos);
  EXPECT_NE(error_of({"-d", "soon"}).find("--duration"), std::string::npos);
  EXPECT_NE(error_of({"-d", "0"}).find("--duration"), std::string::npos);
  EXPECT_NE(error_of({"-c", "0"}), "");
  EXPECT_NE(error_of({"--newcomer", "often:/json"}).find("--newcomer"), std::string::npos);
  EXPECT_NE(error_of({"--newcomer", "100ms:json"}).find("json"), std::string::npos);
  EXPECT_NE(error_of({"--hold", "many:/json"}).find("--hold"), std::string::npos);
  EXPECT_NE(error_of({"--hold", "16:json"}).find("json"), std::string::npos);
  EXPECT_NE(error_of({"/json", "--rate", "0", "--hold", "1"}).find("/json"), std::string::npos);
  EXPECT_NE(error_of({"plaintext"}).find("plaintext"), std::string::npos);
  EXPECT_NE(error_of({"/a b"}).find("/a b"), std::string::npos);
  EXPECT_NE(error_of({"--mix", "victim"}).find("NAME=SHARE:TARGET"), std::string::npos);
  EXPECT_NE(error_of({"--mix", "a=0:/"}).find("--mix"), std::string::npos);
  EXPECT_NE(error_of({"/x", "--mix", "a=1:/"}).find("/x"), std::string::npos);
  EXPECT_NE(error_of({"--method", "get"}).find("--method"), std::string::npos);
  EXPECT_NE(error_of({"--header", "no field"}).find("--header"), std::string::npos);
  EXPECT_NE(error_of({"--header", "A: 1\r\nB: 2"}).find("--header"), std::string::npos);
}

TEST(PaceOptions, RefuseAServerThatIsNoAddress) {
  for (const auto* server : {"localhost", ":80", "127.0.0.1", "http://127.0.0.1:80/"}) {
    const char* words[] = {"quartet-pace", server};
    EXPECT_THROW(parse_options(2, words), UsageError) << server;
  }
}

}  // namespace
}  // namespace quartet::pace
