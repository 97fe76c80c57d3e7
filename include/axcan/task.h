/* SPDX-License-Identifier: Apache-2.0 */
/* axcan/task.h: the task ABI. Everything a real-time task may rely on, on every platform.
 *
 * A task is periodic and job-based: sense, think, act, return. A job runs to completion; neither
 * stack nor program counter is ever captured. What survives between jobs, and travels when the task
 * migrates, is the state: one fixed-width struct without pointers and without padding.
 *
 *     struct state { uint64_t n; double integral; };
 *     static int job(const struct axc_job *job, void *state) { ... return 0; }
 *     AXCAN_TASK("cruise-control", .job = job, .state_bytes = sizeof(struct state),
 *                .state_version = 1, .period_us = 50000, .deadline_us = 50000,
 *                .wcet = {{"linux-x86_64", 800}}, .needs = AXC_SVC_LOG);
 *
 * `axcan build` compiles the file for every instruction set and derives the state's schema from the
 * type named `struct state` (debug information); it refuses what cannot travel. */
#ifndef AXCAN_TASK_H
#define AXCAN_TASK_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AXC_ABI 1u                 /* the ABI number this header describes */
#define AXC_NAME_BYTES 32u         /* task, topic and channel names, with the final NUL */
#define AXC_PLATFORM_BYTES 24u     /* platform names, with the final NUL */
#define AXC_WCET_MAX 4u            /* platforms with a WCET in one image */
#define AXC_STATE_BYTES_MAX 65536u /* largest task state */
#define AXC_VALUE_BYTES_MAX 1024u  /* largest published or channel value */
#define AXC_STACK_BYTES_DEFAULT 16384u
#define AXC_STACK_BYTES_MAX 262144u

/* Services a task may need; a node that does not offer one refuses the task. */
#define AXC_SVC_LOG 0x01u   /* log */
#define AXC_SVC_TOPIC 0x02u /* publish, read_topic */
#define AXC_SVC_IO 0x04u    /* input, output */

/* Errors a service returns (negative). Stable: they are part of the ABI. */
#define AXC_SERVICE_ENOENT (-1) /* no such topic, or no value yet */
#define AXC_SERVICE_ESIZE (-2)  /* value too large, or buffer too small */
#define AXC_SERVICE_ENAME (-3)  /* name empty, too long or without final NUL */
#define AXC_SERVICE_EFULL (-4)  /* this job's output or log space is used up */

struct axc_job;

/* The resource table: numbered and append-only. A task tests `size` before it uses an entry that is
 * younger than its own ABI number. Every call is bounded and never blocks; none may be kept or used
 * after the job returned. What a job publishes or outputs becomes visible when the job completes;
 * a job that is killed publishes nothing. Strings are NUL-terminated. */
struct axc_services {
    uint32_t size; /* bytes of this table */
    uint32_t abi;  /* AXC_ABI of the node */

    /* Appends one line to the task's log. level: 0 error, 1 warning, 2 info, 3 debug. */
    void (*log)(const struct axc_job *job, uint32_t level, const char *text);

    /* Master time in ns, never going backwards within a task. */
    uint64_t (*now)(const struct axc_job *job);

    /* Makes the present state an intermediate checkpoint: should the job be killed or the node die,
     * the same job number is repeated with job->resume_step = step. step >= 1. */
    void (*checkpoint)(const struct axc_job *job, uint32_t step);

    /* Latest-value topics between tasks of one node. publish returns 0 or AXC_SERVICE_E*;
     * read_topic returns the value's bytes (> 0) and its sequence number, or AXC_SERVICE_E*. */
    int32_t (*publish)(const struct axc_job *job, const char *topic, const void *value,
                       uint32_t value_bytes);
    int32_t (*read_topic)(const struct axc_job *job, const char *topic, void *buffer,
                          uint32_t buffer_bytes, uint64_t *ret_sequence);

    /* Sensor and actuator channels; same rules as topics. */
    int32_t (*input)(const struct axc_job *job, const char *channel, void *buffer,
                     uint32_t buffer_bytes, uint64_t *ret_sequence);
    int32_t (*output)(const struct axc_job *job, const char *channel, const void *value,
                      uint32_t value_bytes);
};

/* One job, as the task sees it. Times are master time in ns. Valid until the job returns. */
struct axc_job {
    uint64_t number;      /* counts from 0; a killed job consumes its number */
    uint64_t release_ns;  /* nominal release r + number * T */
    uint64_t deadline_ns; /* absolute deadline */
    uint32_t resume_step; /* 0, or the step of the intermediate checkpoint resumed */
    uint32_t reserved;
    const struct axc_services *services;
};

/* What the node does with a job that overruns its budget or faults. */
enum axc_policy {
    AXC_POLICY_KILL_JOB = 0, /* end that job; go on from the last checkpoint at the next release */
    AXC_POLICY_RESTART = 1,  /* the same, at most restart_limit times in a row, then FAILED */
    AXC_POLICY_STOP = 2      /* FAILED at once */
};

struct axc_wcet {
    char platform[AXC_PLATFORM_BYTES]; /* "linux-x86_64", "linux-aarch64", "axcan-virt", ... */
    uint32_t wcet_us;
};

/* The descriptor `axcan build` reads (ELF section .axcan.task) and turns into the note
 * `.note.axcan`. Fixed layout without pointers but `job`; all numbers native to the (little-endian)
 * target. */
struct axc_task {
    uint32_t magic; /* AXC_TASK_MAGIC */
    uint32_t abi;
    char name[AXC_NAME_BYTES]; /* [a-z0-9-], starts with a letter */
    int (*job)(const struct axc_job *job, void *state);
#if UINTPTR_MAX == 0xffffffffu
    uint32_t job_high;
#endif
    uint32_t state_bytes;      /* 1..AXC_STATE_BYTES_MAX */
    uint32_t state_version;    /* raised when the meaning of the state changes */
    uint32_t period_us;        /* T > 0 */
    uint32_t deadline_us;      /* D > 0, relative */
    uint32_t criticality;      /* chi: 0 lowest .. 15 */
    uint32_t needs;            /* AXC_SVC_* */
    uint64_t jobs;             /* N; 0 = unbounded */
    uint32_t stack_bytes;      /* 0 = AXC_STACK_BYTES_DEFAULT */
    uint32_t overrun_policy;   /* enum axc_policy */
    uint32_t fault_policy;     /* enum axc_policy */
    uint32_t restart_limit;    /* for AXC_POLICY_RESTART; 0 = 3 */
    uint32_t checkpoint_every; /* a checkpoint each n-th job; 0 = 1 */
    uint32_t reserved;
    struct axc_wcet wcet[AXC_WCET_MAX]; /* unused entries are zero */
};

#define AXC_TASK_MAGIC 0x4b545841u /* "AXTK" */
#define AXC_NOTE_BYTES 268u        /* the note .note.axcan; `axcan build` fills it in */

/* Defines the one task of an image. The ELF entry point is the job function: the loader calls
 * e_entry(job, state), so no symbol is needed at run time. */
#define AXCAN_TASK(task_name, ...)                                                                 \
    __attribute__((used, section(".axcan.task"))) const struct axc_task axcan_task = {             \
        .magic = AXC_TASK_MAGIC, .abi = AXC_ABI, .name = task_name, __VA_ARGS__};                  \
    __attribute__((used, section(".note.axcan"),                                                   \
                   aligned(4))) static const unsigned char axcan_note[AXC_NOTE_BYTES] = {0};       \
    __attribute__((used, section(".text.axcan_entry"))) int axcan_entry(                           \
        const struct axc_job *axcan_job, void *axcan_state);                                       \
    int axcan_entry(const struct axc_job *axcan_job, void *axcan_state)                            \
    {                                                                                              \
        return axcan_task.job(axcan_job, axcan_state);                                             \
    }                                                                                              \
    _Static_assert(1, "")

#ifdef __cplusplus
}
#endif
#endif
