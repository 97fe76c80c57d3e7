/* SPDX-License-Identifier: Apache-2.0 */
/* Changing a service's record and its members: what reconcile.c and rollout.c are made of. Every
 * function commits the record first (with the replica's own record in the same transaction) and
 * tells the voters; what it returns non-zero for has not happened, or is found out at the next
 * look. Part of the master's core: same rules of use. */
#ifndef AXI_MASTER_SERVICE_MEMBERS_H
#define AXI_MASTER_SERVICE_MEMBERS_H

#include "master/service/replica.h"
#include "master/service/service.h"

/* Compare-and-swap of service/<name>: *next is a copy of *service with changes. Pointers to JSON
 * that next has and service has not are taken over on success (those it lost are freed), and stay
 * the caller's on failure. -AXC_ECONFLICT, -AXC_ETIMEOUT: the record is read again before anything
 * else is done with the service. */
AXC_MUST_USE int axi_service_commit(struct axi_master *m, struct axi_service *service,
                                    const struct axi_service *next);
/* Prepares such a commit as an operation of somebody else's transaction; then axi_service_committed
 * with its outcome, which frees the operation's text. */
AXC_MUST_USE int axi_service_prepare(const struct axi_service *service,
                                     const struct axi_service *next, char key[40],
                                     struct axi_store_op *ret_op);
/* revision 0: it is read from the store. */
void axi_service_committed(struct axi_master *m, struct axi_service *service,
                           const struct axi_service *next, struct axi_store_op *op, int rc);
/* Ends an unknown outcome. False: the store cannot say yet. */
bool axi_service_settle(struct axi_master *m, struct axi_service *service);

/* Declares `declared` (a new reference, taken on success) instead of what is; the former becomes
 * `previous`. New replicas are needed (generation + 1) when the images or what replicas are started
 * with changed, else the members go on as they are. why: for the event. */
AXC_MUST_USE int axi_service_redeclare(struct axi_master *m, struct axi_service *service,
                                       json_t *declared, const struct axi_service_spec *spec,
                                       const struct axi_service_images *images, const char *why);

#define AXI_ALSO_MAX 3u

/* RUNNING, or moving meanwhile. */
bool axi_member_runs(struct axi_master *m, uint64_t task);

struct axi_member_request {
    const struct axi_service_spec *spec; /* NULL = the service's own */
    const struct axi_service_images *images;
    uint32_t generation; /* 0 = the service's own */
    uint32_t image;      /* index; AXI_SERVICE_IMAGES_MAX: the degraded one */
    enum axi_member_role role;
    bool is_degraded; /* by its assurance, too */
    uint64_t node;    /* 0 = the best */
    /* 0 = nobody: this member gets the role `instead_role` in the same transaction, and its place
     * counts as free when a node is chosen (OLD: goes once its successor counts) */
    uint64_t instead_of;
    enum axi_member_role instead_role;
    bool has_seed;         /* else it is chosen: a running member, an agreeing one first */
    uint64_t seed;         /* 0 = from zero */
    const char *yields_to; /* NULL; else instead_of goes to make room for this service or task */
    enum axi_state_rule rule;
    const struct axi_store_op *also; /* for the same transaction, at most AXI_ALSO_MAX */
    size_t also_count;
};

/* While an update is under way, what is lost is replaced by its like: the new version is not proved
 * yet. Makes *request one for the former declaration; ret_former is borrowed by it. False: there is
 * none. */
bool axi_member_ask_former(const struct axi_service *service, struct axi_member_request *request,
                           struct axi_service_spec *ret_former);
/* Chooses a node, records the member and creates its replica. -AXC_ENO_CANDIDATE: no node, with
 * ret_reason (AXI_REASON_BYTES, may be NULL) what refused it. why: for the event. */
AXC_MUST_USE int axi_member_add(struct axi_master *m, struct axi_service *service,
                                const struct axi_member_request *request, const char *why,
                                uint64_t *ret_task, char *ret_reason);
/* GOING: its replica is removed, and the member forgotten when it is gone. */
AXC_MUST_USE int axi_member_set_role(struct axi_master *m, struct axi_service *service,
                                     uint64_t task, enum axi_member_role role, const char *why);
struct axi_member *axi_member_find(struct axi_service *service, uint64_t task); /* or NULL */
/* Task that a new replica takes its state from: a running member, one that agrees first; else a
 * failed one with a checkpoint somewhere; 0 = none. */
uint64_t axi_member_seed(struct axi_master *m, const struct axi_service *service);
const char *axi_member_role_name(enum axi_member_role role);

struct axi_service_counts {
    uint32_t running; /* counted members (ACTIVE, OLD) that run */
    uint32_t alive;   /* ACTIVE and NEW that run, start or are restored */
    uint32_t ready;   /* ACTIVE that run, or have done all their jobs */
    uint32_t degraded;
};
void axi_service_count(struct axi_master *m, const struct axi_service *service,
                       struct axi_service_counts *ret_counts);
/* Replicas that there should be: those declared but for what was yielded, never below minimum. */
uint32_t axi_service_wanted(const struct axi_service *service);
/* True when a counted running member may go without the service falling below its minimum, and
 * without a job that nobody puts out (handover.h). */
bool axi_service_may_lose(struct axi_master *m, const struct axi_service *service, uint64_t task);

/* WCET of an image's entry for this service: the declared one before the image's. */
uint64_t axi_service_wcet_ns(const struct axi_service_spec *spec,
                             const struct axi_image_entry *entry);
/* Image of a member (index; AXI_SERVICE_IMAGES_MAX: the degraded one), or NULL. */
struct axi_image_info *axi_service_image(struct axi_master *m, const struct axi_service_images *of,
                                         uint32_t index);

/* The best node for such a member; -AXC_ENO_CANDIDATE with the reason. */
/* A node was lost, or another replica, and this is what places were kept for (N-1): a missing one
 * may use them when nothing else is left. */
bool axi_service_may_use_spares(struct axi_master *m, const struct axi_service *service);
AXC_MUST_USE int axi_service_choose(struct axi_master *m, const struct axi_service *service,
                                    const struct axi_member_request *request, uint64_t *ret_node,
                                    char *ret_reason);

/* Not tried for this service before the pause is over. */
void axi_service_avoid(struct axi_master *m, struct axi_service *service, uint64_t node,
                       uint64_t pause_ns);
size_t axi_service_avoided(struct axi_master *m, const struct axi_service *service,
                           uint64_t ret_nodes[AXI_AVOIDED_MAX]);
void axi_service_look_now(struct axi_master *m, struct axi_service *service);

#endif
