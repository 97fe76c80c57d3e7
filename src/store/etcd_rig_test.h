/* SPDX-License-Identifier: Apache-2.0 */
/* Three real etcd members on loopback, of the test's own: free ports, data in a new directory,
 * ended by process id, also when the test dies. */
#ifndef AXI_STORE_ETCD_RIG_TEST_H
#define AXI_STORE_ETCD_RIG_TEST_H

#include <stdint.h>
#include <sys/types.h>

#define ETCD_MEMBERS 3

struct etcd_rig {
    char directory[64];
    uint16_t client_ports[ETCD_MEMBERS], peer_ports[ETCD_MEMBERS];
    pid_t pids[ETCD_MEMBERS]; /* 0: not running */
    char location[160];       /* for axi_store_open */
};

/* Fails by cmocka's assertions. Returns when the cluster answers. */
void etcd_rig_init(struct etcd_rig *rig);
void etcd_rig_deinit(struct etcd_rig *rig);
void etcd_rig_start(struct etcd_rig *rig, int member);
void etcd_rig_kill(struct etcd_rig *rig, int member); /* SIGKILL */
/* SIGSTOP or SIGCONT: a member that does not answer. */
void etcd_rig_signal(struct etcd_rig *rig, int member, int number);
int etcd_rig_leader(struct etcd_rig *rig);
/* Forgets the history up to the revision. */
void etcd_rig_compact(struct etcd_rig *rig, uint64_t revision);

#endif
