/* SPDX-License-Identifier: Apache-2.0 */
/* Failure probability of replicated services (S7). A service needs k of its n replicas. Replicas on
 * different nodes fail independently except for what is declared: failure of a node, of all nodes
 * of a platform, of the system, and a beta factor. Sums have positive terms only. */
#ifndef AXI_MODEL_REPLICA_H
#define AXI_MODEL_REPLICA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define AXI_REPLICA_MAX 64u

struct axi_replica {
    double fail;   /* S6: late or incorrect, per activation */
    double wrong;  /* delivers a wrong value in time; <= fail */
    uint32_t node; /* equal numbers: same node, same platform */
    uint32_t platform;
    double node_fail;     /* the node fails, with every replica on it */
    double platform_fail; /* common fault of the platform */
};

struct axi_scheme {
    uint32_t k;           /* replicas that must succeed; 1 = fail-silent or acceptance test */
    double system_fail;   /* takes every replica down */
    double beta;          /* part of each failure probability that is common to all */
    bool allow_colocated; /* k = 1 only: replicas of a node count as its best one (Frechet) */
};

struct axi_service_failure {
    double fail;    /* fewer than k replicas deliver a correct value in time */
    double fail_ln; /* its natural logarithm; exact where `fail` underflows (k = 1, no groups) */
    double unsafe;  /* at least k (and two) deliver wrong values that agree; 0 for k = 1 */
};

/* P(at least `least` of n independent events). */
double axi_replica_at_least(const double *probs, size_t n, size_t least);

/* -AXC_EMODEL_EMPTY (no replicas, k = 0 or k > n), _PROBABILITY, -AXC_EFULL (more than
 * AXI_REPLICA_MAX), -AXC_ECONFLICT (replicas share a node and that is not allowed). */
AXC_MUST_USE int axi_service_evaluate(const struct axi_replica *replicas, size_t n,
                                      const struct axi_scheme *scheme,
                                      struct axi_service_failure *ret_failure);

struct axi_selection {
    size_t count;                     /* chosen replicas, best first */
    uint32_t chosen[AXI_REPLICA_MAX]; /* indices into the candidates */
    struct axi_service_failure failure;
    double per_hour;
};

/* Adds candidates in ascending order of failure probability, at most one a node, until the service
 * fails at most `target_per_hour`. `admit` (NULL: all) is asked once for each candidate that is
 * about to be chosen. -AXC_EMODEL_UNREACHABLE with *ret_selection filled when it cannot be done. */
AXC_MUST_USE int axi_service_select(const struct axi_replica *candidates, size_t n,
                                    const struct axi_scheme *scheme, double activations_per_hour,
                                    double target_per_hour,
                                    bool (*admit)(void *context, size_t candidate), void *context,
                                    struct axi_selection *ret_selection);

#endif
