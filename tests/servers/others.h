#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tests/servers/catalogue_case.h"

namespace quartet::suite {

/// How long those are watched whom nobody should answer.
inline constexpr auto kWatch = 500ms;

/// One more client, of the same worker as the first, or of another one. The first has no answer to come.
/// @throws std::runtime_error when the server gives none
TestClient another_client(const ServerProcess& server, TestClient& first, bool same_worker);
/// Two clients of the same worker, or of different ones.
/// @throws std::runtime_error when the server gives none
std::pair<TestClient, TestClient> two_clients(const ServerProcess& server, bool same_worker);

/// The clients beside a fault: some who are connected before it comes, and newcomers. All of them ask for the
/// load of the case, and expect the bytes that came before the fault.
class Others {
 public:
  static constexpr int kConnected = 3;  ///< each has a worker of its own, where workers serve one client

  /// A server that the fault comes to. A pool has so many workers more than the others hold; and nobody is
  /// sent away for being slow, so that a busy machine changes nothing.
  static Command command(const Configuration& configuration, const CatalogueCase& fault, int free_workers,
                         std::vector<std::string> options = {});

  Others(const ServerProcess& server, const CatalogueCase& fault);
  /// Those who are connected have other workers than the faulty client.
  Others(const ServerProcess& server, const CatalogueCase& fault, TestClient& faulty);

  /// Everybody is answered: those who are connected, newcomers, and whoever has asked in vain before.
  void expect_served();
  /// Those who are connected are answered, and newcomers are not.
  void expect_newcomers_starve();
  /// Nobody is answered: neither who is connected nor a newcomer.
  void expect_silence();
  /// Those who are connected are cut off without an answer, and newcomers are refused.
  void expect_the_end();

 private:
  void connect(TestClient client);
  void expect_connected_served();
  void expect_right(const Answer& answer) const;

  const ServerProcess& server_;
  std::string request_;
  std::string body_;
  std::vector<TestClient> connected_;
  bool asked_ = false;               ///< those who are connected, and they have no answer yet
  std::vector<TestClient> in_vain_;  ///< newcomers who have no answer yet
};

}  // namespace quartet::suite
