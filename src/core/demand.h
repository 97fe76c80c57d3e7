/* SPDX-License-Identifier: Apache-2.0 */
/* Admission: may one more task run on this node? Pure, exact integer arithmetic, freestanding; the
 * only copy of the test in the system. */
#ifndef AXI_CORE_DEMAND_H
#define AXI_CORE_DEMAND_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct axi_demand_task {
    uint64_t wcet_ns;     /* C on this platform; 0 = unknown */
    uint64_t period_ns;   /* T > 0 */
    uint64_t deadline_ns; /* D', compensated for clock error and latency */
};

/* What a node shortens deadlines by: D' = D - delta - latency. */
struct axi_demand_margin {
    uint64_t delta_ns;   /* bound of the clock's error that the node declares */
    uint64_t latency_ns; /* d: bounded one-way latency */
};

/* 0 when nothing is left: a task with it is refused. */
uint64_t axi_demand_compensated_ns(uint64_t deadline_ns, const struct axi_demand_margin *margin);

/* A task that is there already: it counts even when nothing is left of its deadline since. */
struct axi_demand_task axi_demand_present(uint64_t wcet_ns, uint64_t period_ns,
                                          uint64_t deadline_ns,
                                          const struct axi_demand_margin *margin);

struct axi_demand_verdict {
    uint64_t density_ppm; /* sum of C / min(D', T) with the candidate, each rounded up */
    uint64_t capacity_ppm;
    int8_t load_sign;      /* sum of C / T against the capacity: -1 below, 0 equal, 1 above */
    uint64_t busy_ns;      /* longest busy period; 0: not needed or not found */
    uint64_t violation_ns; /* a window whose demand exceeds the capacity; 0: none found */
    uint64_t demand_ns;    /* work due within it */
    uint32_t windows;      /* windows looked at */
};

/* Judges `candidate` beside the n admitted tasks, which share capacity_ppm of one processor
 * (1000000 = all of it; the share is taken to be supplied evenly). Exact for synchronous release
 * and sporadic tasks, sound with offsets: sum C / T <= capacity, compared exactly, and demand(t) <=
 * capacity * t in every window t, by QPA (Zhang and Burns 2009) after the density test as a quick
 * yes. Bounded time: refuses what it cannot decide in 2^16 windows, or an equality of loads whose
 * common denominator exceeds 128 bits.
 * 0; -AXC_EADMIT_NO_WCET, -AXC_EADMIT_DEADLINE (D' < C), -AXC_EADMIT_LOAD, -AXC_EINVALID (period
 * 0). `ret_verdict` (may be NULL) is filled for 0 and -AXC_EADMIT_LOAD. */
AXC_MUST_USE int axi_demand_admit(const struct axi_demand_task *tasks, uint32_t n,
                                  const struct axi_demand_task *candidate, uint64_t capacity_ppm,
                                  struct axi_demand_verdict *ret_verdict);

/* Sum of C / min(D', T) in ppm, rounded up; saturates. Tasks with a zero in them do not count. */
uint64_t axi_demand_density_ppm(const struct axi_demand_task *tasks, uint32_t n);

/* One line of text: why `candidate` (with its D') was refused with `code`, and the cure; at most
 * AXI_DEMAND_TEXT_BYTES. deadline_ns: its D. Empty for codes that axi_demand_admit does not give.
 */
#define AXI_DEMAND_TEXT_BYTES 160u
void axi_demand_explain(int code, const struct axi_demand_task *candidate, uint64_t deadline_ns,
                        const struct axi_demand_margin *margin,
                        const struct axi_demand_verdict *verdict, char *text, size_t capacity);

#endif
