#include "common/net/system.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace quartet::net {
namespace {

bool fails_as_if_closed(ssize_t result) { return result == -1 && errno == EBADF; }

/// In a process of its own: with the standard descriptors closed, the next ones are 0, 1 and 2.
bool reserves_what_is_closed() {
  char byte = 0;
  for (const int descriptor : {0, 1, 2}) close(descriptor);
  reserve_standard_descriptors();
  const int next = open("/", O_RDONLY | O_CLOEXEC);
  return next > 2 && fails_as_if_closed(read(0, &byte, 1)) && fails_as_if_closed(write(1, &byte, 1)) &&
         fails_as_if_closed(write(2, &byte, 1));
}

TEST(StandardDescriptors, AreReservedWhereTheyAreClosed) {
  const pid_t child = fork();
  if (child == 0) _exit(reserves_what_is_closed() ? 0 : 1);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(StandardDescriptors, AreLeftAloneWhereTheyAreOpen) {
  const int before = fcntl(STDERR_FILENO, F_GETFL);
  reserve_standard_descriptors();
  EXPECT_EQ(fcntl(STDERR_FILENO, F_GETFL), before);
}

}  // namespace
}  // namespace quartet::net
