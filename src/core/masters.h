/* SPDX-License-Identifier: Apache-2.0 */
/* Which of several masters to join: a list of addresses and the hints of those that do not lead
 * (HelloReply with NOT_LEADER, field `leader`). For whoever joins a master: nodes, checkpoint
 * managers, voters. Freestanding and passive: who uses it connects and waits. */
#ifndef AXI_CORE_MASTERS_H
#define AXI_CORE_MASTERS_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define AXI_MASTERS_MAX 8u
#define AXI_MASTERS_ADDRESS_BYTES 64u
#define AXI_MASTERS_TEXT_BYTES 512u /* of a whole list, with the final NUL */

struct axi_masters {
    const char *list; /* borrowed */
    uint32_t count;
    uint32_t tries;                          /* of addresses of the list */
    uint32_t shunned_tries;                  /* so many more pass over `shunned` */
    char address[AXI_MASTERS_ADDRESS_BYTES]; /* of the present attempt, or the one joined */
    char hint[AXI_MASTERS_ADDRESS_BYTES];    /* tried next; "" = the list goes on */
    char shunned[AXI_MASTERS_ADDRESS_BYTES]; /* it hangs */
};

/* -AXC_EINVALID unless the list is "HOST:PORT[,HOST:PORT...]": 1 to AXI_MASTERS_MAX addresses of at
 * most 63 characters. */
AXC_MUST_USE int axi_masters_check(const char *list);

/* list: as above, or NULL or "" (none); borrowed. An address may be any text that the user's
 * connect understands. */
void axi_masters_init(struct axi_masters *masters, const char *list);

/* The address to connect to now, "" when there is none; valid until the next call. */
const char *axi_masters_next(struct axi_masters *masters);

/* This one leads; it is tried first when its link is lost. */
void axi_masters_joined(struct axi_masters *masters);

/* The attempt failed or the link was lost. leader: of a refusal by NOT_LEADER, its word who leads
 * ("" or NULL: it knows nobody). What answers by silence (-AXC_ETIMEOUT) is passed over for a
 * while. True: the next attempt may follow at once; false: every address was tried in vain, wait as
 * one waits for a single master. */
bool axi_masters_failed(struct axi_masters *masters, int code, const char *leader);

#endif
