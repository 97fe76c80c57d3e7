/* SPDX-License-Identifier: Apache-2.0 */
/* The partitions of one host: started and ended as the master wants it, watched, cleaned up. What
 * is known survives the daemon: DIR/NAME.run has the run's number, runax the partition; so a
 * restart finds its own again and touches nobody else's. Calls block (runax). */
#ifndef AXI_HOST_SLOTS_H
#define AXI_HOST_SLOTS_H

#include "host/runax.h"

#include <stdint.h>

#define AXI_SLOTS_MAX 16u

struct axi_slots_config {
    const char *host;       /* its name; partition n is HOST-pN */
    const char *dir;        /* of the daemon, absolute */
    const char *board;      /* see axi_os_is_board */
    const char *hypervisor; /* of runax */
    const char *token_file; /* for the nodes */
    const char *address;    /* of this machine, IPv4: where other nodes reach them */
    uint32_t capacity_ppm;
};

enum axi_slot_is { AXI_SLOT_IS_FREE = 0, AXI_SLOT_IS_RUNNING, AXI_SLOT_IS_FAILED };

struct axi_slots {
    struct axi_slots_config config;
    struct axi_runax runax;
    char masters[512]; /* node ports for those to be started; "" = not known yet: none starts */
    struct axi_slot {
        enum axi_slot_is is;
        uint32_t run;
        char reason[AXI_RUNAX_REASON_BYTES]; /* FAILED: why */
    } slots[AXI_SLOTS_MAX];
};

/* Finds runax and what a former daemon left. config: its texts are borrowed. -AXC_ENOENT: there is
 * no runax. */
AXC_MUST_USE int axi_slots_init(struct axi_slots *slots, const struct axi_slots_config *config);
/* Asks runax how they are. True: one is not any more as it was. */
bool axi_slots_look(struct axi_slots *slots);
/* [{"name","run","state","reason"}] as the master's API takes it; a new reference. */
json_t *axi_slots_report(const struct axi_slots *slots);
/* partitions: [{"name","run","wanted"}] of the master's answer; what makes no sense in it is passed
 * over. True: something was done. */
bool axi_slots_obey(struct axi_slots *slots, const json_t *partitions);
/* Ends all, which first let their tasks move away. */
void axi_slots_end_all(struct axi_slots *slots);

#endif
