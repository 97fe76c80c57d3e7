/* SPDX-License-Identifier: Apache-2.0 */
/* A local cluster: processes in the background, described by DIR/cluster.json:
 *   {"api","listen","members":[{"name","pid","start","argv":[...],"log"}],"store","stores","managers",
 *    "voters","hosts"}
 * `start` is the process's start time in clock ticks, so that a pid used again by something else is
 * never taken for a member. */
#ifndef AXI_CLI_CLUSTER_H
#define AXI_CLI_CLUSTER_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A new reference, or NULL when there is none. */
json_t *axi_cluster_load(const char *dir);
/* All processes, a new array: first the store's, last the managers' and the voters', which so are
 * ended first: they must not take the end of the nodes for their death. */
json_t *axi_cluster_processes(const json_t *cluster);
AXC_MUST_USE int axi_cluster_save(const char *dir, const json_t *cluster);

/* Removes path with all that is in it; 0, also when there is nothing, or -1. */
AXC_MUST_USE int axi_cluster_remove_tree(const char *path);
/* The API's "host:port" of the cluster in dir; -AXC_ENOENT. */
AXC_MUST_USE int axi_cluster_api(const char *dir, char *ret_api, size_t size);

/* Holds DIR/lock until the process ends; -AXC_EBUSY when another command holds it. */
AXC_MUST_USE int axi_cluster_lock(const char *dir);

bool axi_member_is_alive(const json_t *member);
/* Starts member's argv in the background with its stderr in member's log; notes pid and start. */
AXC_MUST_USE int axi_member_start(json_t *member);
/* SIGTERM, after grace_ms SIGKILL; returns true when force was needed. */
bool axi_member_stop(const json_t *member, uint64_t grace_ms);
/* The last lines of the member's log to stderr. */
void axi_member_show_log(const json_t *member);

#endif
