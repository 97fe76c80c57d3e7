/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts that can run partitions, and the partitions that were started on them on demand. A host is
 * a machine with axcan-host (src/host); it reports by the API what it runs and is answered what is
 * wanted there. Everything decided is in the store (host/<name>) before the host hears of it, so
 * another master goes on with it. Part of the master's core: same rules of use. */
#ifndef AXI_MASTER_SERVICE_HOSTS_H
#define AXI_MASTER_SERVICE_HOSTS_H

#include "master/service/internal.h"

#define AXI_HOSTS_MAX 64u
#define AXI_HOST_PARTITIONS_MAX 16u
#define AXI_HOST_NAME_BYTES 25u            /* a partition's node is NAME-pN */
#define AXI_HOST_PRESENT_NS 10000000000ull /* heard no more for so long: it is lost */

/* What a host says of itself and of every partition it can run. */
struct axi_host_facts {
    char name[AXI_HOST_NAME_BYTES];
    char platform[24]; /* of the nodes in its partitions */
    char hypervisor[16], version[32];
    uint64_t id;  /* of the daemon's directory: tells two of the same name apart */
    uint32_t max; /* partitions at once */
    uint32_t assurance, services, slots, capacity_ppm;
    uint64_t memory_bytes; /* free in a fresh one */
    uint64_t server_budget_ns, server_period_ns;
};

/*   ABSENT --> STARTING --> RUNNING <--> LEAVING --> ENDING --> ABSENT
 *                  |           |                       ^
 *                  +-----------+--- failed ------------+           */
enum axi_partition_state {
    AXI_PARTITION_ABSENT = 0,
    AXI_PARTITION_STARTING, /* the host is to start it, its node has not joined */
    AXI_PARTITION_RUNNING,
    AXI_PARTITION_LEAVING, /* idle: its node takes nothing any more */
    AXI_PARTITION_ENDING,  /* the host is to end it */
};

struct axi_partition { /* slot n - 1 of a host is partition n */
    enum axi_partition_state state;
    uint32_t run;      /* how often this slot was started: tells late reports from present ones */
    uint64_t since_ns; /* master time of the state */
    bool was_used;     /* its node had a task in this run */
    char why[AXI_REASON_BYTES];
};

/* What the store has: key host/<name>. */
struct axi_host_record {
    struct axi_host_facts facts;
    struct axi_partition slots[AXI_HOST_PARTITIONS_MAX];
    uint32_t failures;      /* in a row */
    uint64_t not_before_ns; /* master time: nothing is started there before; 0 = at once */
};

enum axi_said { AXI_SAID_NOTHING = 0, AXI_SAID_RUNNING, AXI_SAID_FAILED };

struct axi_host {
    struct axi_host_record record;
    uint64_t revision;
    /* volatile */
    uint64_t seen_ns; /* local: its last report; 0 = none at this master */
    bool is_lost_said, is_uncertain;
    struct {
        enum axi_said said;
        uint32_t run;
        char reason[AXI_REASON_BYTES];
    } reports[AXI_HOST_PARTITIONS_MAX];
    uint64_t idle_ns[AXI_HOST_PARTITIONS_MAX];    /* local: without a task since; 0 = it has one */
    uint64_t changed_ns[AXI_HOST_PARTITIONS_MAX]; /* local: its state is what it is since */
};

/* ---- hosts.c: the records ---- */
int axi_hosts_load(struct axi_master *m);
void axi_hosts_free(struct axi_master *m);
struct axi_host *axi_host_find(struct axi_master *m, const char *name); /* or NULL */
bool axi_host_is_present(struct axi_master *m, const struct axi_host *host);
/* Compare-and-swap of host/<name>; what is volatile stays. An unknown outcome is found out by
 * axi_host_settle, which is false while the store cannot say. */
AXC_MUST_USE int axi_host_commit(struct axi_master *m, struct axi_host *host,
                                 const struct axi_host_record *next);
bool axi_host_settle(struct axi_master *m, struct axi_host *host);
/* Puts a new one into the store; NULL with the reason. */
struct axi_host *axi_host_add(struct axi_master *m, const struct axi_host_facts *facts,
                              char *ret_reason);
/* NAME-pN */
void axi_partition_name(const struct axi_host *host, uint32_t slot, char ret_name[32]);
const char *axi_partition_state_name(enum axi_partition_state state);
const char *axi_host_assurance_name(const struct axi_host *host);

/* ---- phantoms.c: nodes that are not there yet, as the planner sees them ---- */

#define AXI_PHANTOMS_MAX 8u

struct axi_phantoms {
    size_t count;
    struct axi_phantom {
        struct axi_host *host;
        uint32_t slot;
        bool is_new; /* else it starts already */
        char name[32];
        uint64_t id; /* no node's */
    } items[AXI_PHANTOMS_MAX];
};

/* Partitions with which more of options->extras find a node than without: those that start already,
 * then as few new ones as possible (is_now: without hosts that are given a pause). Returns how many
 * of the extras then still find none, or a negative error. None helps: ret_phantoms->count is 0. */
AXC_MUST_USE int axi_phantoms_plan(struct axi_master *m, const struct axi_snapshot_options *options,
                                   bool is_now, struct axi_phantoms *ret_phantoms);
/* Of a node that is not there (yet): what `nodes:` of a service may name. */
uint64_t axi_phantom_id(const char *name);

/* ---- partitions.c: when they come and go ---- */
uint64_t axi_partitions_tick(struct axi_master *m); /* local time of the next thing to do */
void axi_partitions_look_now(struct axi_master *m);
/* No node takes these: true when partitions start (now, or already) that would. ret_reason
 * (AXI_REASON_BYTES) then says so, before what it said. */
bool axi_partitions_want(struct axi_master *m, const struct axi_snapshot_extra *extras,
                         uint32_t count, const char *what_for, char *ret_reason);
/* A full replica finds no node, though the member that it is to replace did not count (NULL: beside
 * all that there are): starts a partition that takes it, if there is one. */
void axi_partition_for_full(struct axi_master *m, const struct axi_service *service,
                            const struct axi_member *member);
/* Its host says that it runs, the store knows nothing of it: it is taken on as one that runs. */
void axi_partition_adopt(struct axi_master *m, struct axi_host *host, uint32_t slot, uint32_t run);
/* Its node takes nothing: the partition is about to go. */
bool axi_partition_is_leaving(struct axi_master *m, const char *node);

#endif
