/* SPDX-License-Identifier: Apache-2.0 */
/* axcan-host: runs partitions on this machine as the leading master wants them. It talks to the
 * masters' API only: reports what it runs, is answered what is wanted, waits for news. */
#ifndef AXI_HOST_DAEMON_H
#define AXI_HOST_DAEMON_H

#include <stdint.h>

struct axi_host_options {
    const char *name;
    const char *api;        /* of the masters: HOST:PORT[,...] */
    const char *token_file; /* the cluster's secret; mode 0600 */
    const char *dir;        /* state: images, bundles, runax's state */
    const char *board;
    const char *hypervisor;
    const char *advertise; /* IPv4 address of this machine, as other nodes reach it */
    uint64_t max, capacity_ppm;
    int allow_remote;
    int ends_partitions; /* when it is ended itself */
    int removes;         /* ends what is left in dir, and itself */
};

/* Runs until SIGTERM or SIGINT. Returns the process's exit code; the reason of a failure is logged.
 */
int axi_host_daemon_run(const struct axi_host_options *options);

#endif
