#include <gtest/gtest.h>

#include "tests/http/client.h"
#include "tests/http/invariants.h"
#include "tests/http/mutator.h"
#include "tests/http/response_invariants.h"

namespace quartet::test {
namespace {

constexpr std::size_t kMutations = 10'000;
constexpr std::uint64_t kSeed = 20260729;

TEST(Mutations, TheCorpusKeepsTheRulesOfAConnection) {
  for (const auto& conversation : corpus()) {
    ASSERT_NO_THROW(check_connection(conversation.bytes)) << conversation.name;
  }
}

TEST(Mutations, TenThousandSpoiledRequestsKeepTheRulesOfAConnection) {
  std::size_t index = 0;
  for (const auto& bytes : malformed_requests(kMutations, kSeed)) {
    ASSERT_NO_THROW(check_connection(bytes)) << "mutation " << index << ": " << testing::PrintToString(bytes);
    ++index;
  }
}

TEST(Mutations, TheResponsesKeepTheRulesOfAResponseParser) {
  for (const auto& [name, bytes] : response_seeds()) ASSERT_NO_THROW(check_responses(bytes)) << name;
}

TEST(Mutations, TenThousandSpoiledResponsesKeepTheRulesOfAResponseParser) {
  std::vector<std::string> originals;
  for (const auto& [name, bytes] : response_seeds()) originals.push_back(bytes);
  Mutator mutator(std::move(originals), kSeed);
  for (std::size_t i = 0; i < kMutations; ++i) {
    const auto bytes = mutator.next();
    ASSERT_NO_THROW(check_responses(bytes)) << "mutation " << i << ": " << testing::PrintToString(bytes);
  }
}

TEST(Mutations, AreTheSameForTheSameSeed) {
  EXPECT_EQ(malformed_requests(100, kSeed), malformed_requests(100, kSeed));
  EXPECT_NE(malformed_requests(100, kSeed), malformed_requests(100, kSeed + 1));
}

TEST(Mutations, AreMostlyNotAnswered200) {
  std::size_t fine = 0;
  for (const auto& bytes : malformed_requests(1000, kSeed)) {
    Client client;
    fine += client.exchange(bytes).starts_with("HTTP/1.1 200") && client.open() ? 1 : 0;
  }
  EXPECT_LT(fine, 500U);
}

}  // namespace
}  // namespace quartet::test
