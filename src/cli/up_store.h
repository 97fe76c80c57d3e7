/* SPDX-License-Identifier: Apache-2.0 */
/* Where the cluster of `axcan up` keeps its state. cluster.json gets:
 *   "store": the location that master and managers are given by --store (absent: the master's file)
 *   "stores": the etcd members that up started, like "members", when it was told to start them */
#ifndef AXI_CLI_UP_STORE_H
#define AXI_CLI_UP_STORE_H

#include "base/error.h"

#include <jansson.h>
#include <stdint.h>

/* For a new cluster: what --store says: NULL or "sqlite"; "etcd": three members of our own on free
 * ports of loopback; else a location. Says what is wrong; 0, 1 or 2 like a command. */
AXC_MUST_USE int axi_up_store_prepare(json_t *cluster, const char *dir, const char *store);

/* On a cluster that is there: --store cannot change where its state is. Says so; 0 or 1. */
AXC_MUST_USE int axi_up_store_check(const json_t *cluster, const char *store);

/* Starts the members that are not alive and waits until the store answers, at most until
 * deadline_ns (axi_cli_now_ns). What it started runs on when that fails: axi_up_store_undo. The
 * processes stand in DIR/cluster.json before it waits. */
AXC_MUST_USE int axi_up_store_start(json_t *cluster, const char *dir, uint64_t deadline_ns);
/* Ends the members of a new cluster that did not come up and removes their data: it names ports
 * that the next attempt does not use. */
void axi_up_store_undo(json_t *cluster, const char *dir);

#endif
