#pragma once

namespace quartet::pace {

/// Asks the scheduler for the shortest turns, 0.1 ms (sched_setattr(2), Linux 6.12). A program with short
/// turns runs soon after it wakes, beside another one on the same CPU, and gets no more of that CPU. Else
/// what is due would wait until the other's turn is over, some 3 ms. Older kernels ignore it. A policy other
/// than SCHED_OTHER is left as it is: it was chosen.
void take_short_turns();

}  // namespace quartet::pace
