/* SPDX-License-Identifier: Apache-2.0 */
/* What a user declares, decoded: services, nodes and the cluster's policy. The JSON form is the
 * manifest's (docs/orchestration.md) with every default filled in (manifest/manifest.h); it is what
 * the store keeps. Host library; any thread; plain data, nothing to free. */
#ifndef AXI_MANIFEST_SPEC_H
#define AXI_MANIFEST_SPEC_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define AXI_SERVICE_NAME_BYTES 25u /* a replica's task is NAME-NUMBER */
#define AXI_SERVICE_IMAGES_MAX 4u
#define AXI_SERVICE_REPLICAS_MAX 16u
#define AXI_SERVICE_LABELS_MAX 8u
#define AXI_SERVICE_NODES_MAX 16u
#define AXI_SERVICE_WCETS_MAX 4u
#define AXI_LABEL_BYTES 64u /* "key=value" with NUL */
#define AXI_IMAGE_REFERENCE_BYTES 96u

enum axi_service_mode {
    AXI_MODE_SINGLE = 0,   /* one replica, its state survives by checkpoints */
    AXI_MODE_AT_LEAST_ONE, /* n replicas, one correct output is enough: fail-silent */
    AXI_MODE_TWO_OF_TWO,   /* two replicas, both must agree: wrong outputs are withheld */
    AXI_MODE_TMR,          /* three replicas, two must agree */
};

/* What the replicas of a service must differ in; bits. Two never share a node. */
#define AXI_DIVERSE_PLATFORM 1u
#define AXI_DIVERSE_ISA 2u
#define AXI_DIVERSE_IMAGE 4u
#define AXI_DIVERSE_REQUIRED                                                                       \
    0x100u /* refuse rather than place two alike; else: as far as possible */

/* What becomes of the state when a replica begins under another image. */
enum axi_state_rule {
    AXI_STATE_CARRY = 0, /* taken over unchanged: the schemas must be equal */
    AXI_STATE_MAP,       /* by field: equal path and kind are copied, others as declared, else 0 */
    AXI_STATE_RESTART,   /* from zero: a warm restart, and called so */
};

struct axi_degraded {
    bool is_allowed;
    char image[AXI_IMAGE_REFERENCE_BYTES]; /* "" = the service's own */
    uint32_t assurance;                    /* least, instead of the service's */
    enum axi_state_rule state;
    uint64_t after_ns; /* so long the service may be short of a replica first */
};

enum axi_compare { AXI_COMPARE_EXACT = 0, AXI_COMPARE_F32, AXI_COMPARE_F64 };

struct axi_output_policy {
    char voter[32]; /* name of the voter; "" = any; unused without a mode that votes */
    enum axi_compare compare;
    double tolerance; /* largest difference of two values that agree (F32, F64: arrays of them) */
    uint64_t
        wait_ns; /* a replica silent so long after the job's deadline is silent; 0 = one period */
    uint32_t bad_limit; /* so many wrong or silent jobs in a row: the replica is replaced */
};

struct axi_update_policy {
    uint32_t surge;      /* new replicas beside the old ones, 0 or 1 per round */
    uint32_t good_jobs;  /* a new replica is ready after so many good jobs in a row */
    uint32_t misses_max; /* deadline misses a new replica may have before it is ready */
    uint64_t timeout_ns; /* not ready after: reverted */
    enum axi_state_rule state;
    bool is_paused; /* declared: no round begins */
};

struct axi_service_spec {
    char name[AXI_SERVICE_NAME_BYTES];
    uint32_t image_count; /* [0] is the main one; others are variants for diversity over images */
    char images[AXI_SERVICE_IMAGES_MAX][AXI_IMAGE_REFERENCE_BYTES]; /* reference or digest */
    enum axi_service_mode mode;
    uint32_t replicas, minimum; /* minimum: running at any time, as far as the cluster allows */
    uint32_t criticality;       /* 0 to 15; in placing, higher goes first and may displace lower */
    uint32_t assurance;         /* enum as in the wire's Hello */
    uint32_t diversity;         /* AXI_DIVERSE_* */
    double failure_per_hour;    /* target; 0 = none */
    bool survives_node_loss;    /* N-1: any one node may fail and it can still be placed */
    bool is_movable;            /* may be migrated to make room or for load */
    bool is_preemptible;        /* above minimum: taken away for what is more critical */
    uint64_t latency_max_ns;    /* 0 = any */
    uint32_t label_count, prefer_count, node_count;
    char labels[AXI_SERVICE_LABELS_MAX][AXI_LABEL_BYTES]; /* a node must have */
    char prefer[AXI_SERVICE_LABELS_MAX][AXI_LABEL_BYTES]; /* better with */
    char nodes[AXI_SERVICE_NODES_MAX][32];                /* only these; 0 = all */
    struct axi_degraded degraded;
    struct axi_output_policy output;
    struct axi_update_policy update;
    uint64_t jobs; /* N of each replica; 0 = as the image says */
    uint32_t backlog_max;
    uint32_t wcet_count;
    struct {
        char platform[24];
        uint64_t wcet_ns;
    } wcets[AXI_SERVICE_WCETS_MAX];
};

struct axi_node_spec {
    char name[32];
    uint32_t label_count;
    char labels[AXI_SERVICE_LABELS_MAX][AXI_LABEL_BYTES];
    char platform[24];       /* must be among its own; "" = whatever it says */
    uint32_t assurance;      /* at most this; 3 = what it says */
    uint64_t latency_ns;     /* one way to the rest; 0 = what it says */
    double failure_per_hour; /* of the node as a whole */
    double wrong_per_hour;   /* it delivers wrong values in time */
    bool is_cordoned;        /* nothing new is placed there */
};

struct axi_policy_spec {
    bool is_rebalancing;
    uint32_t high_ppm, low_ppm; /* predicted load above high: move away; moves go below low */
    uint64_t horizon_ns, cooldown_ns;
    uint64_t flap_window_ns; /* a node lost flap_limit times within it is not used */
    uint32_t flap_limit;
    uint64_t
        partition_idle_ns; /* one that was started on demand goes after so long without a task */
    uint64_t partition_start_ns; /* and must have joined after this */
    uint32_t platform_count;     /* common-mode failures */
    struct {
        char platform[24];
        double failure_per_hour;
    } platforms[8];
};

/* From the normalised JSON of one object (kind, name, ...). -AXC_EMANIFEST with a reason (at least
 * 160 bytes; may be NULL): something in it is no manifest that axi_manifest_check accepts. */
AXC_MUST_USE int axi_service_spec_from_json(const json_t *json, struct axi_service_spec *ret_spec,
                                            char *ret_reason);
AXC_MUST_USE int axi_node_spec_from_json(const json_t *json, struct axi_node_spec *ret_spec,
                                         char *ret_reason);
AXC_MUST_USE int axi_policy_spec_from_json(const json_t *json, struct axi_policy_spec *ret_spec,
                                           char *ret_reason);
/* What holds without a manifest. */
void axi_node_spec_default(const char *name, struct axi_node_spec *ret_spec);
void axi_policy_spec_default(struct axi_policy_spec *ret_spec);

const char *axi_service_mode_name(enum axi_service_mode mode);
/* Replicas that must deliver the same correct value. */
uint32_t axi_service_needed(const struct axi_service_spec *spec);

#endif
