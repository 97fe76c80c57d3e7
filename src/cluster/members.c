/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/members.h"

const char *axi_member_event(const struct axi_store_member *member, const char **ret_text)
{
    if (!member->is_lost) {
        *ret_text = "answers again";
        return "store-member-back";
    }
    *ret_text = member->is_silent ? "does not answer" : "belongs to no majority";
    return "store-member-lost";
}

json_t *axi_members_json(const struct axi_store_member *members)
{
    json_t *list = json_array();

    for (size_t i = 0; i < AXI_STORE_MEMBERS_MAX && members[i].name[0] != '\0'; i++) {
        const char *state = !members[i].is_lost    ? "alive"
                            : members[i].is_silent ? "silent"
                                                   : "no-majority";

        (void)json_array_append_new(
            list, json_pack("{s:s, s:s}", "member", members[i].name, "state", state));
    }
    return list;
}
