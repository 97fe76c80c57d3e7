/* SPDX-License-Identifier: Apache-2.0 */
/* Estimates the master's clock from time-stamped messages: a line through master time over local
 * time, with its own error bound. It estimates only; the clock that tasks see is steered towards it
 * (axi_timebase_steer) and never steps.
 *
 * Offset and path delay from the medians of the last Syncs (t2 - t1) and Delay_Reqs (t4 - t3), all
 * judged on the present line; frequency from a one second baseline first, then a PI controller. An
 * offset is slave minus master, as in IEEE 1588. Freestanding, integers only; one context. */
#ifndef AXI_TIME_SERVO_H
#define AXI_TIME_SERVO_H

#include "base/log.h"

#include <stdbool.h>
#include <stdint.h>

#define AXI_SERVO_WINDOW 12u

enum axi_servo_state {
    AXI_SERVO_UNLOCKED = 0, /* knows nothing */
    AXI_SERVO_LOCKING,      /* has a line; frequency or offset not settled */
    AXI_SERVO_LOCKED,
    AXI_SERVO_HOLDOVER, /* was locked, hears nothing: runs on by its last frequency */
};

/* What an update did; more than one bit may be set. */
#define AXI_SERVO_STATE_CHANGED 1u
#define AXI_SERVO_JUMPED 2u  /* the master's clock jumped; the line begins anew there */
#define AXI_SERVO_REFUSED 4u /* the sample is far off the line: dropped, perhaps a jump begins */

/* Zeros mean the defaults given. */
struct axi_servo_config {
    uint64_t jump_ns;      /* 100 ms: farther off the line is no noise */
    uint64_t lock_ns;      /* 20 us: settled below it ... */
    uint64_t unlock_ns;    /* 1 ms: ... and lost above it */
    uint64_t silent_ns;    /* 3 s without Sync: holdover */
    uint64_t asymmetry_ns; /* known bound of the path's asymmetry; 0: half of the round trip */
};

struct axi_servo_pair {
    uint64_t local_ns, master_ns;
};

struct axi_servo {
    struct axi_servo_config config;
    uint32_t state; /* enum axi_servo_state */
    bool has_line, has_rate, has_delay, is_new_master;
    struct axi_servo_pair anchor; /* the line goes through it */
    int64_t rate;                 /* ppb * 2^16 of the line */
    int64_t drift;                /* ppb * 2^16: integral part */
    struct axi_servo_pair first;  /* baseline of the first frequency */
    struct axi_servo_pair syncs[AXI_SERVO_WINDOW], delays[AXI_SERVO_WINDOW];
    uint32_t sync_count, delay_count; /* ever */
    struct axi_servo_pair suspect;    /* begins a jump, perhaps */
    uint32_t suspects, settled, astray;
    int64_t offset_ns, delay_ns;
    uint64_t jitter_ns;     /* spread of the inner two thirds of both windows */
    uint64_t heard_ns;      /* local time of the last accepted Sync */
    uint64_t base_bound_ns; /* at heard_ns */
};

void axi_servo_init(struct axi_servo *servo, const struct axi_servo_config *config);

/* A Sync sent at t1 (master time, corrections added) arrived at t2 (local time). */
uint32_t axi_servo_sync(struct axi_servo *servo, uint64_t t1_master_ns, uint64_t t2_local_ns);
/* A Delay_Req sent at t3 (local time) arrived at t4 (master time, corrections subtracted). */
void axi_servo_delay(struct axi_servo *servo, uint64_t t3_local_ns, uint64_t t4_master_ns);
/* Nothing may have come for long. */
uint32_t axi_servo_tick(struct axi_servo *servo, uint64_t now_local_ns);
/* Another master: the line is kept until its first Sync, which may be anywhere. */
void axi_servo_change_master(struct axi_servo *servo);

struct axi_servo_estimate {
    uint32_t state;      /* enum axi_servo_state */
    uint64_t master_ns;  /* master time at the local time asked for */
    int64_t rate_ppb;    /* master runs faster by this */
    uint64_t bound_ns;   /* |error| bound; UINT64_MAX: no estimate */
    uint32_t growth_ppm; /* of the bound with time */
    int64_t offset_ns;   /* slave - master at the last update */
    int64_t delay_ns;    /* mean path delay */
    uint64_t jitter_ns;
};

void axi_servo_estimate(const struct axi_servo *servo, uint64_t now_local_ns,
                        struct axi_servo_estimate *ret);

/* The line `clock-sample` of the log, which `axcan analyze clock` reads. */
void axi_servo_log(enum axi_log_level level, uint64_t local_ns,
                   const struct axi_servo_estimate *estimate);

const char *axi_servo_state_name(uint32_t state);

#endif
