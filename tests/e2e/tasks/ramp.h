/* SPDX-License-Identifier: Apache-2.0 */
/* A control function whose output of a job depends on all jobs before it: the sum of the jobs'
 * numbers. ramp.c is right; ramp-wrong.c is wrong from some job on; ramp-mute.c falls silent. */
#ifndef AXI_TEST_RAMP_H
#define AXI_TEST_RAMP_H

#include <axcan/task.h>

struct state {
    uint64_t sum;
};

#define RAMP_TASK(task_name, function)                                                             \
    AXCAN_TASK(task_name, .job = function, .state_bytes = sizeof(struct state),                    \
               .state_version = 1, .period_us = 50000, .deadline_us = 50000, .needs = AXC_SVC_IO,  \
               .wcet = {{"linux-x86_64", 4000},                                                    \
                        {"linux-aarch64", 4000},                                                   \
                        {"axcan-virt", 8000},                                                      \
                        {"axcan-zcu102", 8000}})

#endif
