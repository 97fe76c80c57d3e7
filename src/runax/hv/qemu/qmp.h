/* SPDX-License-Identifier: Apache-2.0 */
/* Talks QMP (QEMU's machine protocol: one JSON object per line) over a connected socket. */
#ifndef AXI_RUNAX_QMP_H
#define AXI_RUNAX_QMP_H

#include "runax/report.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define AXI_QMP_LINE_MAX (256u * 1024u)

/* Called for each event, with its name and data (an object, may be NULL), and with AXI_QMP_REFUSED
 * and the error when a command fails that axi_qmp_send sent. Must not call back. */
#define AXI_QMP_REFUSED "refused"
typedef void axi_qmp_event(void *context, const char *name, const json_t *data);

struct axi_qmp {
    int fd; /* owned */
    char *line;
    size_t used, room;
    axi_qmp_event *on_event;
    void *context;
    json_int_t last_id;
    bool is_closed; /* the peer is gone, or talks nonsense */
};

/* Takes `fd` (non-blocking afterwards). */
void axi_qmp_init(struct axi_qmp *qmp, int fd, axi_qmp_event *on_event, void *context);
void axi_qmp_deinit(struct axi_qmp *qmp);

/* Waits for the greeting and ends the negotiation. */
AXC_MUST_USE int axi_qmp_open(struct axi_qmp *qmp, int timeout_ms, struct axi_report *report);

/* One command ("cont") with arguments (stolen; NULL: none) and its answer (owned by the caller; may
 * be NULL if nobody wants it). Events that come meanwhile are delivered first. -AXC_EHV_FAILED with
 * QEMU's own words or when it takes none, -AXC_ETIMEOUT, -AXC_EUNAVAILABLE (it took the command and
 * went without an answer). */
AXC_MUST_USE int axi_qmp_call(struct axi_qmp *qmp, const char *command, json_t *arguments,
                              int timeout_ms, struct axi_report *report, json_t **ret_answer);

/* One command without arguments; nobody waits for the answer. A guest may run before it comes, and
 * may keep QEMU from giving it: a full console stops all of QEMU. -AXC_EHV_FAILED. */
AXC_MUST_USE int axi_qmp_send(struct axi_qmp *qmp, const char *command, struct axi_report *report);

/* Passes a file descriptor under a name ("getfd"). */
AXC_MUST_USE int axi_qmp_send_fd(struct axi_qmp *qmp, int fd, const char *name, int timeout_ms,
                                 struct axi_report *report);

/* Delivers what has come; never blocks. */
void axi_qmp_dispatch(struct axi_qmp *qmp);

#endif
