/* SPDX-License-Identifier: Apache-2.0 */
/* Probabilistic response times of fixed-priority pre-emptive tasks on one node (S0-S3, S6).
 *
 *   SYNC      first job, all tasks released together, jobs run to completion: exact for that case
 *   SOUND     upper bound over all phasings and sporadic patterns; the mode for admission
 *   PERIODIC  known offsets: every job of the hyperperiod (periodic.c)
 *
 * Completion exactly at a release is not pre-empted; completion exactly at the deadline is in time;
 * a release exactly at the deadline does not interfere. */
#ifndef AXI_MODEL_RESPONSE_H
#define AXI_MODEL_RESPONSE_H

#include <stdbool.h>

#include "model/pmf.h"

#define AXI_MODEL_MAX_TASKS 1024u

enum axi_containment {
    AXI_CONTAIN_NONE,     /* a job runs until it completes; mass at infinity stays there */
    AXI_CONTAIN_BUDGET,   /* stopped after `budget` ticks of execution */
    AXI_CONTAIN_DEADLINE, /* aborted at its deadline: at most `deadline` ticks of execution */
};

struct axi_model_task {
    uint32_t priority; /* lower number = higher; equal ones interfere with each other */
    uint64_t period;   /* ticks; 0 < deadline <= period */
    uint64_t deadline;
    uint64_t offset;
    double q_ok; /* P(correct value) and P(incorrect), stored apart; sum 1 */
    double q_bad;
    struct axi_pmf ok;  /* execution time given correct */
    struct axi_pmf bad; /* given incorrect; count 0 and inf 0: as ok */
    enum axi_containment containment;
    uint64_t budget;
};

enum axi_mode { AXI_MODE_SYNC, AXI_MODE_SOUND, AXI_MODE_PERIODIC };

struct axi_model_options {
    enum axi_mode mode;
    bool unconditional; /* own execution = own interference pmf instead of ok */
    double target;      /* refine the grid until the bracket decides this; 0: until max_cells */
    size_t max_cells;   /* largest array or list, 0: 2^18 */
    uint64_t grid;      /* ticks a cell; 0: chosen (exact when it fits) */
    int (*poll)(void *context); /* called between steps; non-zero cancels; may be NULL */
    void *context;
};

struct axi_response {
    double miss; /* P(response > deadline): the exact value or the upper end of the bracket */
    double lo;   /* bracket of that value, rounding errors included; hi rounds up */
    double hi;
    double mean;   /* PERIODIC: mean over the jobs of the hyperperiod; else = miss */
    uint64_t grid; /* ticks a cell; exact when the task set has all times on the grid */
    bool exact;
    uint64_t carry_in[AXI_MODEL_MAX_TASKS / 64]; /* SOUND: the set A by task index */
    uint64_t doubled;                            /* SOUND: tasks counted by a factor 2 */
};

/* Interference and scaled copies of a node's tasks; borrows the tasks until deinit. */
struct axi_model;

/* Checks the tasks (MODEL_EMPTY, _PERIOD, _DEADLINE, _PROBABILITY). */
AXC_MUST_USE int axi_model_new(struct axi_model **ret_model, const struct axi_model_task *tasks,
                               size_t count);
void axi_model_free(struct axi_model *model);

/* P(late | correct) of task k in the wanted mode. */
AXC_MUST_USE int axi_model_response(struct axi_model *model, size_t k,
                                    const struct axi_model_options *options,
                                    struct axi_response *ret_response);

/* Bytes that the analysis of task k would need for arrays on its grid; for messages when
 * -AXC_EMODEL_GRID refuses it. Saturates. */
uint64_t axi_model_estimate_bytes(const struct axi_model *model, size_t k, uint64_t grid);

/* SYNC with carry-in for the tasks with a bit in `carry_in` (S2's P_A); exact grids only.
 * ret_pmf (NULL allowed) gets the response-time distribution, inf = miss. */
AXC_MUST_USE int axi_model_carry_in(struct axi_model *model, size_t k, const uint64_t *carry_in,
                                    const struct axi_model_options *options, double *ret_miss,
                                    struct axi_pmf *ret_pmf);

/* min over the testing points t of P(C_k + sum ceil(t/T_i) C_i > t), and log10 of the Chernoff
 * bound minimised over the same points (NAN when some point can never be exceeded). */
AXC_MUST_USE int axi_model_testing_points(struct axi_model *model, size_t k,
                                          const struct axi_model_options *options, double *ret_min,
                                          double *ret_chernoff_log10);

/* Interference pmf of a task after containment (what lower priorities see). */
const struct axi_pmf *axi_model_interference(const struct axi_model *model, size_t k);

/* S6: f = q_ok * late + q_bad, and the probability of at least one failure in an hour. */
double axi_model_failure(const struct axi_model_task *task, double late);
double axi_model_per_hour(double f, double activations_per_hour);

static inline bool axi_model_in_set(const uint64_t *set, size_t i)
{
    return (set[i / 64] >> (i % 64)) & 1u;
}

#endif
