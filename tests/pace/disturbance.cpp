#include "tests/pace/disturbance.h"

#include <fmt/format.h>
#include <unistd.h>

#include <fstream>

namespace quartet::pace {
namespace {

/// Shares of the time above which a measurement is void.
constexpr double kMostStalled = 0.05, kMostStolen = 0.02;

/// "some avg10=0.00 avg60=0.00 avg300=0.00 total=123": microseconds (Linux,
/// Documentation/accounting/psi.rst).
std::chrono::microseconds stalled() {
  std::ifstream file("/proc/pressure/cpu");
  std::string line;
  std::getline(file, line);
  const auto total = line.find("total=");
  return std::chrono::microseconds(total == std::string::npos ? 0 : std::stoll(line.substr(total + 6)));
}

/// The eighth number of the first line, in ticks (proc(5)).
std::chrono::milliseconds stolen() {
  std::ifstream file("/proc/stat");
  std::string cpu;
  std::int64_t ticks = 0;
  file >> cpu;
  for (int i = 0; i < 8; ++i) file >> ticks;
  return std::chrono::milliseconds(ticks * 1000 / ::sysconf(_SC_CLK_TCK));
}

double seconds(auto duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

Disturbance::Disturbance() : start_(read()) {}

Disturbance::Reading Disturbance::read() { return {std::chrono::steady_clock::now(), stalled(), stolen()}; }

std::string Disturbance::describe() const {
  const Reading end = read();
  const double elapsed = seconds(end.time - start_.time);
  const double stalled_share = seconds(end.stalled - start_.stalled) / elapsed;
  const double stolen_share = seconds(end.stolen - start_.stolen) / elapsed;
  if (stalled_share <= kMostStalled && stolen_share <= kMostStolen) return {};
  return fmt::format(
      "the machine was disturbed: somebody waited for a CPU {:.0f} % of the time, and {:.1f} % were stolen",
      100 * stalled_share, 100 * stolen_share);
}

}  // namespace quartet::pace
