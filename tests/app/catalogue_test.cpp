#include "common/faults/catalogue.h"

#include <gtest/gtest.h>

#include <csignal>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "common/faults/fault.h"

namespace quartet::app {
namespace {

using Json = nlohmann::json;

/// A catalogue with one fault; `change` makes it a wrong one.
std::string catalogue_with(const std::function<void(Json& fault)>& change = [](Json&) {}) {
  Json fault = Json::parse(R"({
    "id": "trip", "kind": "handler", "title": "Trips", "what": "It trips.",
    "cases": [{"query": "", "expected": [
      {"models": ["fork-per-request", "fork-per-connection", "prefork"], "verdicts": ["connection none"], "because": "a"},
      {"models": ["threads", "coroutines", "coroutines-2", "epoll", "helpers", "fibers", "fibers-2"], "verdicts": ["server lost"], "because": "b"},
      {"models": ["multiprocess"], "verdicts": ["worker lost"], "because": "c"}]}]})");
  change(fault);
  return Json{{"faults", {fault}}}.dump();
}

std::string complaint_of(const std::function<void(Json& fault)>& change) {
  try {
    parse_catalogue(catalogue_with(change));
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "none";
}

TEST(Catalogue, ACaseHasDefaults) {
  const FaultCase fault_case = parse_catalogue(catalogue_with()).at(0).cases.at(0);
  EXPECT_EQ(fault_case.requests, std::vector<std::string>{""});
  EXPECT_EQ(fault_case.load, "/fault/cached");
  EXPECT_FALSE(fault_case.limits.address_space_mib || fault_case.limits.descriptors);
  EXPECT_EQ(fault_case.sanitizers.size(), 0U);
}

TEST(Catalogue, ACaseHasWhatItSays) {
  const auto text = catalogue_with([](Json& fault) {
    fault["cases"][0].update({{"query", "a=1"},
                              {"requests", {"a=1", "a=2"}},
                              {"load", "/plaintext"},
                              {"limits", {{"descriptors", 256}}},
                              {"sanitizers", {{"thread", "no"}}}});
  });
  const FaultCase fault_case = parse_catalogue(text).at(0).cases.at(0);
  EXPECT_EQ(fault_case.query, "a=1");
  EXPECT_EQ(fault_case.requests, (std::vector<std::string>{"a=1", "a=2"}));
  EXPECT_EQ(fault_case.load, "/plaintext");
  EXPECT_EQ(fault_case.limits.descriptors, 256U);
  EXPECT_EQ(fault_case.sanitizers.at("thread"), "no");
}

std::optional<FaultEnding> ending_of(const std::string& words) {
  const auto text = catalogue_with([&](Json& fault) { fault["ending"] = words; });
  return parse_catalogue(text).at(0).ending;
}

TEST(Catalogue, AFaultSaysHowItsProcessEnds) {
  EXPECT_EQ(ending_of("SIGSEGV")->signal, SIGSEGV);
  EXPECT_EQ(ending_of("SIGABRT")->signal, SIGABRT);
  EXPECT_EQ(ending_of("exit 1")->signal, 0);
  EXPECT_EQ(ending_of("exit 1")->status, 1);
  EXPECT_FALSE(parse_catalogue(catalogue_with()).at(0).ending) << "it goes on";
  const auto reported = catalogue_with([](Json& fault) { fault["ending_asan"] = "exit 1"; });
  EXPECT_EQ(parse_catalogue(reported).at(0).ending_asan->status, 1);
  EXPECT_EQ(complaint_of([](Json& fault) { fault["ending"] = "SIGBUS"; }),
            "faults.json: fault trip: unknown ending \"SIGBUS\"");
}

TEST(Catalogue, AModelFindsItsExpectation) {
  const auto entries = parse_catalogue(catalogue_with());
  EXPECT_EQ(entries[0].cases[0].expectation("prefork")->verdicts,
            std::vector<std::string>{"connection none"});
  EXPECT_EQ(entries[0].cases[0].expectation("epoll")->because, "b");
  EXPECT_EQ(entries[0].cases[0].expectation("actors"), nullptr);
}

TEST(Catalogue, AModelThatAFaultCannotApplyToHasNoExpectation) {
  const auto entries = parse_catalogue(catalogue_with([](Json& fault) {
    fault["cases"][0]["not"] = {{{"models", {"epoll"}}, {"because", "it has none"}}};
    fault["cases"][0]["expected"][1]["models"] = {"threads", "coroutines", "coroutines-2",
                                                  "helpers", "fibers",     "fibers-2"};
  }));
  EXPECT_EQ(entries[0].cases[0].expectation("epoll"), nullptr);
  EXPECT_EQ(entries[0].cases[0].excluded.at(0).because, "it has none");
}

/// In a build with AddressSanitizer everybody loses the server.
void report_it(Json& fault) {
  Json::array_t everybody;
  for (const auto& group : fault["cases"][0]["expected"]) {
    for (const auto& model : group["models"]) everybody.push_back(model);
  }
  fault["cases"][0]["expected_asan"] = {
      {{"models", everybody}, {"verdicts", {"server lost"}}, {"because", "it is reported"}}};
}

TEST(Catalogue, ABuildWithAddressSanitizerHasExpectationsOfItsOwnWhereThereAreAny) {
  const FaultCase plain = parse_catalogue(catalogue_with()).at(0).cases.at(0);
  EXPECT_EQ(plain.expectation("prefork", true)->because, "a");
  const FaultCase reported = parse_catalogue(catalogue_with(report_it)).at(0).cases.at(0);
  EXPECT_EQ(reported.expectation("prefork", true)->because, "it is reported");
  EXPECT_EQ(reported.expectation("prefork")->because, "a");
}

TEST(Catalogue, EachModelIsInOneGroupOfTheExpectationsWithAddressSanitizerToo) {
  EXPECT_EQ(complaint_of(report_it), "none");
  EXPECT_EQ(complaint_of([](Json& fault) {
              report_it(fault);
              fault["cases"][0]["expected_asan"][0]["models"].erase(0);
            }),
            "faults.json: fault trip: case \"\": not each model once");
}

TEST(Catalogue, AnUnknownKeyIsAnError) {
  EXPECT_EQ(complaint_of([](Json& fault) { fault["cases"][0]["limit"] = Json::object(); }),
            "faults.json: fault trip: unknown key \"limit\"");
  EXPECT_EQ(complaint_of([](Json& fault) { fault["titel"] = "x"; }),
            "faults.json: fault trip: unknown key \"titel\"");
}

TEST(Catalogue, EachModelIsInOneGroup) {
  const std::string complaint = "faults.json: fault trip: case \"\": not each model once";
  EXPECT_EQ(complaint_of([](Json& fault) { fault["cases"][0]["expected"][1]["models"][0] = "prefork"; }),
            complaint);
  EXPECT_EQ(complaint_of([](Json& fault) { fault["cases"][0]["expected"][1]["models"] = {"threads"}; }),
            complaint);
  EXPECT_EQ(complaint_of([](Json& fault) { fault["cases"][0]["expected"][1]["models"][0] = "thread"; }),
            complaint);
}

TEST(Catalogue, AFaultHasAKindAndACase) {
  EXPECT_EQ(complaint_of([](Json& fault) { fault["kind"] = "weather"; }),
            "faults.json: fault trip: unknown kind \"weather\"");
  EXPECT_EQ(complaint_of([](Json& fault) { fault["cases"] = Json::array(); }),
            "faults.json: fault trip: it has no case");
}

http::Outcome trip(const Values&) { return http::text_response(500, "tripped"); }

TEST(FaultRoutesOfACatalogue, AreAPostForEachHandlerFault) {
  http::Router router;
  add_fault_routes(router, parse_catalogue(catalogue_with()), std::vector<Fault>{{"trip", {}, trip}});
  ASSERT_NE(router.find("/fault/trip"), nullptr);
  EXPECT_EQ(router.find("/fault/trip")->summary, "Trips");
}

TEST(FaultRoutesOfACatalogue, AreListedWithTheirLimits) {
  const auto entries = parse_catalogue(catalogue_with([](Json& fault) {
    fault["cases"][0]["limits"] = {{"descriptors", 256}, {"address_space_mib", 64}};
  }));
  http::Router router;
  add_fault_routes(router, entries, std::vector<Fault>{{"trip", {}, trip}});
  const auto list = std::get<http::Response>(router.find("/fault")->handler({}, {}));
  EXPECT_EQ(Json::parse(list.body)["faults"][0]["cases"][0]["limits"],
            (Json{{"descriptors", 256}, {"address_space_mib", 64}}));
}

TEST(FaultRoutesOfACatalogue, AnEntryWithoutAFunctionIsAnError) {
  http::Router router;
  EXPECT_THROW(add_fault_routes(router, parse_catalogue(catalogue_with()), std::vector<Fault>{}),
               std::logic_error);
}

TEST(FaultRoutesOfACatalogue, AFunctionWithoutAnEntryIsAnError) {
  http::Router router;
  EXPECT_THROW(add_fault_routes(router, parse_catalogue(catalogue_with()),
                                std::vector<Fault>{{"trip", {}, trip}, {"fall", {}, trip}}),
               std::logic_error);
}

TEST(FaultRoutesOfACatalogue, AFaultFromOutsideNeedsNoFunctionAndMayHaveNone) {
  const auto entries = parse_catalogue(catalogue_with([](Json& fault) { fault["kind"] = "client"; }));
  http::Router router;
  add_fault_routes(router, entries, std::vector<Fault>{});
  EXPECT_EQ(router.find("/fault/trip"), nullptr);
  EXPECT_THROW(add_fault_routes(router, entries, std::vector<Fault>{{"trip", {}, trip}}), std::logic_error);
}

}  // namespace
}  // namespace quartet::app
