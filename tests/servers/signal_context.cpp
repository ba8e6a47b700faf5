// For servers under ThreadSanitizer. Its runtime makes what it needs for a thread's signals at the first call
// of the thread that may block, and g++ 12's loses a signal that arrives meanwhile: a server that is told to
// drain as soon as it listens did not hear it, once in a hundred times. The main thread makes such a call
// before main.
#include <unistd.h>

namespace {

[[maybe_unused]] const int blocked_before = usleep(0);

}  // namespace
