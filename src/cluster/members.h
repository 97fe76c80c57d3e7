/* SPDX-License-Identifier: Apache-2.0 */
/* What is said of the members of a store of several. Host library; any thread. */
#ifndef AXI_CLUSTER_MEMBERS_H
#define AXI_CLUSTER_MEMBERS_H

#include "store/store.h"

#include <jansson.h>

/* Type of the event of a change; *ret_text: what the member does. Both static. */
const char *axi_member_event(const struct axi_store_member *member, const char **ret_text);
/* {"member": "HOST:PORT", "state": "alive|silent|no-majority"} of each of AXI_STORE_MEMBERS_MAX
 * members, as an array; a new reference. */
json_t *axi_members_json(const struct axi_store_member *members);

#endif
