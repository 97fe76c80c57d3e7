/* SPDX-License-Identifier: Apache-2.0 */
/* Making the members of a local cluster (cli/cluster.h) that are daemons of ours. */
#ifndef AXI_CLI_MEMBER_H
#define AXI_CLI_MEMBER_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Its log is DIR/NAME.log, its program `program`. NULL: the program is not there. */
json_t *axi_member_new(const char *dir, const char *name, const char *program);
void axi_member_add(json_t *member, const char *option, const char *value);
void axi_member_add_path(json_t *member, const char *option, const char *dir, const char *name);
void axi_member_add_number(json_t *member, const char *option, uint64_t value);

/* Starts a daemon that writes "LISTEN API" to DIR/NAME.ready, waits for that at most until
 * deadline_ns (axi_cli_now_ns), and keeps both as member's "listen" and "api" and in its arguments:
 * a restart takes the same ports. Says what is wrong; 0 or the exit code. */
AXC_MUST_USE int axi_member_start_bound(json_t *member, const char *dir, uint64_t deadline_ns);

/* Is this child of ours gone? Collects it. */
bool axi_member_is_dead_child(const json_t *member);
/* Shows the end of its log; an exit code. */
int axi_member_say_dead(const json_t *member);

/* The same for those of a list that are not alive; ret_started (false before, started_max of them)
 * tells which. And ends those again. */
AXC_MUST_USE int axi_members_start_bound(json_t *members, const char *dir, uint64_t deadline_ns,
                                         bool *ret_started, size_t started_max);
void axi_members_stop(json_t *members, const bool *started, size_t started_max);

#endif
