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

TEST(PaceOptions, TakeStepsOfTheRateOfWhichEachClassHasItsShare) {
  const auto lanes =
      parse({"--rate", "200,3s=400,4500ms=0", "--mix", "a=3:/", "--mix", "b=1:/", "--newcomer", "100ms"})
          .plan.lanes;
  ASSERT_EQ(lanes.size(), 3U);
  EXPECT_EQ(lanes[0].arrivals.rate, 150);
  EXPECT_EQ(lanes[0].arrivals.changes, (std::vector<RateChange>{{3s, 300}, {4500ms, 0}}));
  EXPECT_EQ(lanes[1].arrivals.changes, (std::vector<RateChange>{{3s, 100}, {4500ms, 0}}));
  EXPECT_TRUE(lanes[2].arrivals.changes.empty());
  EXPECT_EQ(parse({"--rate", "0,1s=10"}).plan.lanes.size(), 1U);
}

TEST(PaceOptions, RefuseStepsThatMakeNoSense) {
  EXPECT_NE(error_of({"--rate", "200,400"}).find("TIME=RATE"), std::string::npos);
  EXPECT_NE(error_of({"--rate", "200,"}).find("TIME=RATE"), std::string::npos);
  EXPECT_NE(error_of({"--rate", "200,0s=400"}).find("does not come after"), std::string::npos);
  EXPECT_NE(error_of({"--rate", "200,3s=4,3s=5"}).find("does not come after"), std::string::npos);
  EXPECT_NE(error_of({"--rate", "200,3s=4,2s=5"}).find("does not come after"), std::string::npos);
  EXPECT_NE(error_of({"--rate", "200,10s=400"}).find("not within the schedule"), std::string::npos);
  EXPECT_NE(error_of({"--rate", "200,3s=-1"}).find("is not a number"), std::string::npos);
  EXPECT_NE(error_of({"--rate", "1:200,3s=4"}).find("ramp"), std::string::npos);
  EXPECT_TRUE(error_of({"--rate", "0,1s=0", "/json"}).find("nobody asks for it") != std::string::npos);
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

TEST(PaceOptions, AFaultHasAClientThatElseAsksForWhatTheLoadAsksFor) {
  const auto lanes = parse({"/json", "--worker", "--fresh", "--header", "A: 1", "--newcomer", "50ms",
                            "--fault", "350ms:/fault/segv"})
                         .plan.lanes;
  ASSERT_EQ(lanes.size(), 3U);
  const LanePlan& lane = lanes[2];
  EXPECT_EQ(lane.name, "faulty");
  EXPECT_EQ(lane.target, "/json");
  EXPECT_EQ(lane.request, "GET /json HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nA: 1\r\nQuartet-Worker: ?\r\n\r\n");
  EXPECT_EQ(lane.connections, 1U);
  EXPECT_FALSE(lane.fresh);
  ASSERT_TRUE(lane.fault);
  EXPECT_EQ(lane.fault->time, 350ms);
  EXPECT_EQ(lane.fault->retries, 0U);
  EXPECT_EQ(lane.fault->request,
            "POST /fault/segv HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nA: 1\r\nQuartet-Worker: ?\r\n"
            "Content-Length: 0\r\n\r\n");
  EXPECT_FALSE(lanes[0].fault);
  EXPECT_FALSE(lanes[1].fault);
}

TEST(PaceOptions, AFaultIsDueAtItsTimeAndItsClientAskEvery100MillisecondsAroundIt) {
  for (int time = 0; time < 2'000; time += 7) {  // every phase there is
    const auto word = std::to_string(time) + "ms:/fault/segv";
    const auto arrivals =
        parse({"--poisson", "--rate", "1:5", "-d", "2s", "--fault", word.c_str()}).plan.lanes[1].arrivals;
    Schedule schedule(arrivals);
    std::vector<Nanoseconds> due;
    while (const auto next = schedule.next()) due.push_back(*next);
    ASSERT_EQ(due.size(), 20U) << time;
    for (std::size_t k = 0; k < due.size(); ++k) ASSERT_EQ(due[k], time % 100 * 1ms + k * 100ms) << time;
  }
}

TEST(PaceOptions, AFaultLateInALongRunIsDueAtItsTime) {
  const auto lane = parse({"--rate", "1", "-d", "24h", "--fault", "86399977ms:/fault/segv"}).plan.lanes[1];
  Schedule schedule(lane.arrivals);
  Nanoseconds last{0};
  while (const auto next = schedule.next()) last = *next;
  EXPECT_EQ(last, lane.fault->time);
}

TEST(PaceOptions, AFaultMayHaveAnotherMethod) {
  const auto lanes =
      parse({"--fault", "500ms:GET /cpu?units=1", "--fault", "1s:/fault/abort", "--fault-retries", "3"})
          .plan.lanes;
  ASSERT_EQ(lanes.size(), 3U);
  EXPECT_EQ(lanes[1].fault->method, http::Method::get);
  EXPECT_EQ(lanes[1].fault->target, "/cpu?units=1");
  EXPECT_EQ(lanes[1].fault->request, "GET /cpu?units=1 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n");
  EXPECT_EQ(lanes[1].fault->retries, 3U);
  EXPECT_EQ(lanes[2].name, "faulty-2");
  EXPECT_EQ(lanes[2].fault->method, http::Method::post);
  EXPECT_EQ(lanes[2].fault->retries, 3U);
}

TEST(PaceOptions, AFaultCanComeWithoutALoad) {
  const auto lanes =
      parse({"--rate", "0", "--newcomer", "50ms:/json", "--fault", "0ms:/fault/segv"}).plan.lanes;
  ASSERT_EQ(lanes.size(), 2U);
  EXPECT_EQ(lanes[0].name, "newcomer");
  EXPECT_EQ(lanes[1].target, "/plaintext");
  EXPECT_EQ(parse({"--rate", "0", "--fault", "0ms:/fault/segv"}).plan.lanes.size(), 1U);
}

TEST(PaceOptions, AFaultAmongClassesAsksForTheTargetOfTheFirst) {
  const auto lanes = parse({"--mix", "a=1:/json", "--mix", "b=1:/", "--fault", "0ms:/fault/segv"}).plan.lanes;
  ASSERT_EQ(lanes.size(), 3U);
  EXPECT_EQ(lanes[2].target, "/json");
}

TEST(PaceOptions, RefuseAFaultThatCannotBe) {
  EXPECT_EQ(error_of({"--fault", "/fault/segv"}),
            "--fault: \"/fault/segv\" is not of the form TIME:TARGET, such as 500ms:/fault/segv");
  EXPECT_TRUE(error_of({"--fault", "soon:/fault/segv"}).starts_with("--fault: "));
  EXPECT_EQ(error_of({"-d", "500ms", "--fault", "500ms:/fault/segv"}),
            "--fault: 500ms is not within the schedule, which ends at 500ms");
  EXPECT_NE(error_of({"--fault", "1s:fault"}).find("\"fault\""), std::string::npos);
  EXPECT_TRUE(error_of({"--fault", "1s:FETCH /fault"}).starts_with("--fault: \"FETCH\" is not one of"));
  EXPECT_NE(error_of({"--fault", "1s:GET  /fault"}).find("\" /fault\""), std::string::npos);
  EXPECT_TRUE(error_of({"--closed", "--fault", "1s:/fault/segv"}).starts_with("--fault: a closed loop"));
  EXPECT_EQ(error_of({"--fault-retries", "1"}), "--fault-retries: there is no --fault");
  EXPECT_NE(error_of({"--fault", "1s:/", "--fault-retries", "1001"}).find("--fault-retries"),
            std::string::npos);
  std::vector<const char*> many;
  for (int i = 0; i < 51; ++i) many.insert(many.end(), {"--fault", "1s:/"});
  EXPECT_EQ(error_of(many), "--fault: there can be 50, not 51");
}

TEST(PaceOptions, TakeRudeClients) {
  const auto rude =
      parse({"--rude", "500ms:slow-header=100", "--rude", "1s:slow-reader=2", "--rude",
             "0ms:abort=3:/bytes?n=5:6", "--rude", "1s:flood=100000", "--rude", "1s:abort=1", "--closed"})
          .plan.rude;
  ASSERT_EQ(rude.size(), 5U);
  EXPECT_EQ(rude[0].kind->name, "slow-header");
  EXPECT_EQ(rude[0].time, 500ms);
  EXPECT_EQ(rude[0].connections, 100U);
  EXPECT_EQ(rude[0].target, "");
  EXPECT_EQ(rude[1].target, "/bytes?n=16777216");
  EXPECT_EQ(rude[2].kind->name, "abort");
  EXPECT_EQ(rude[2].target, "/bytes?n=5:6");
  EXPECT_EQ(rude[3].connections, 100'000U);
  EXPECT_EQ(rude[4].target, "/bytes?n=16777216");
}

TEST(PaceOptions, RefuseRudeClientsThatCannotBe) {
  for (const auto* words : {"1s:flood", "flood=1", "", "1s", "flood=1:1s"})
    EXPECT_NE(error_of({"--rude", words}).find("is not of the form TIME:KIND=N[:TARGET]"), std::string::npos)
        << words;
  EXPECT_EQ(error_of({"--rude", "1s:shy=1"}),
            "--rude: \"shy\" is not one of slow-header, slow-reader, abort, flood");
  for (const auto* words : {"1s:flood=0", "1s:flood=100001", "1s:flood=-1", "1s:flood=", "1s:flood=1x"})
    EXPECT_NE(error_of({"--rude", words}).find("is not a number from 1 to 100000"), std::string::npos)
        << words;
  EXPECT_EQ(error_of({"--rude", "1s:flood=1:/x"}), "--rude: flood asks for nothing, so it has no target");
  EXPECT_NE(error_of({"--rude", "1s:abort=1:x"}).find("\"x\""), std::string::npos);
  EXPECT_EQ(error_of({"--rude", "10s:flood=1"}), "--rude: 10s is not within the schedule, which ends at 10s");
  EXPECT_TRUE(error_of({"--rude", "soon:flood=1"}).starts_with("--rude: "));
  EXPECT_NE(error_of({"--rate", "0", "--rude", "1s:flood=1"}).find("nothing to do"), std::string::npos);
  std::vector<const char*> many;
  for (int i = 0; i < 51; ++i) many.insert(many.end(), {"--rude", "1s:flood=1"});
  EXPECT_EQ(error_of(many), "--rude: there can be 50, not 51");
}

TEST(PaceOptions, TheSameBodyIsAskedOfEveryClass) {
  for (const LanePlan& lane :
       parse({"--same-body", "--newcomer", "50ms", "--fault", "1s:/fault/segv"}).plan.lanes)
    EXPECT_TRUE(lane.same_body) << lane.name;
  EXPECT_FALSE(parse({}).plan.lanes[0].same_body);
}

TEST(PaceOptions, RefuseTheSameBodyWhereItSaysNothingOrCostsTooMuch) {
  EXPECT_TRUE(error_of({"--same-body", "--expect-body", "a"}).starts_with("--same-body: --expect-body"));
  EXPECT_TRUE(error_of({"--same-body", "--closed"}).starts_with("--same-body: a closed loop"));
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

TEST(PaceOptions, TakeClientsWithSessionsBesideALoad) {
  EXPECT_EQ(parse({"--sessions", "4"}).plan.sessions, 4U);
  EXPECT_EQ(parse({}).plan.sessions, 0U);
  EXPECT_NE(error_of({"--sessions", "101"}).find("--sessions"), std::string::npos);
  EXPECT_NE(error_of({"--rate", "0", "--sessions", "4"}).find("--rate 0"), std::string::npos);
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
