#pragma once

#include "common/server/model.h"

namespace quartet::app {

// A model of each kind, for tests of what all of them share.
inline const Model kEpoll{.name = "quartet-epoll",
                          .summary = "One loop.",
                          .modes = {{.only_one_because = "one thread serves every client"}}};
inline const Model kThreads{.name = "quartet-threads",
                            .summary = "A pool of threads.",
                            .modes = {{.one_client_per_worker = true, .default_workers = 16}}};
inline const Model kFork{
    .name = "quartet-fork",
    .summary = "Processes.",
    .modes = {
        {.name = "prefork", .worker = Worker::process, .one_client_per_worker = true, .default_workers = 16},
        {.name = "per-connection",
         .worker = Worker::process,
         .one_client_per_worker = true,
         .only_one_because = "every connection gets a process of its own"},
        {.name = "per-request",
         .worker = Worker::process,
         .one_client_per_worker = true,
         .process_per_request = true,
         .only_one_because = "every request gets a process of its own"}}};

/// With an option of its own.
inline const Model kMultiprocess{
    .name = "quartet-multiprocess",
    .summary = "Loops.",
    .modes = {{.worker = Worker::process, .default_workers = 2}},
    .own_options = {
        {.name = "--listen-mode", .words = {"shared", "reuseport"}, .help = "One socket or many"},
        {.name = "--depth", .unit = "m", .number = 5, .least = 1, .most = 20, .help = "How deep"}}};

}  // namespace quartet::app
