/* SPDX-License-Identifier: Apache-2.0 */
/* What to do about an error, by its code. */
#include "master/api.h"

static const struct {
    int code;
    const char *cure;
} cures[] = {
    {AXC_ENOENT, "'axcan get tasks', 'services', 'nodes', 'hosts' and 'images' list what there is"},
    {AXC_EEXIST, "choose another name, or delete the other one first"},
    {AXC_EIN_MIGRATION, "wait until the present migration ends, then try again"},
    {AXC_EBUSY, "wait until the present operation ends, then try again"},
    {AXC_EADMIT_NO_WCET,
     "give one by --wcet PLATFORM=TIME, or measure it: axcan profile IMAGE --node NODE --save"},
    {AXC_EADMIT_LOAD, "choose another node, or make room: axcan get nodes shows the density"},
    {AXC_EADMIT_PLATFORM, "build the image for the node's platform, or choose another node"},
    {AXC_ENO_CANDIDATE, "'axcan get nodes -o wide' shows what each node has left"},
    {AXC_EUNAVAILABLE, "try again; 'axcan status' shows what is alive"},
    {AXC_EFULL, "the limit is in docs/limits.md"},
    {AXC_EREVISION, "read it again (axcan get declared -o yaml), then change that"},
    {AXC_EMANIFEST, "'axcan explain' tells what each field takes"},
    {AXC_ELOST, "deploy it again: its state is gone"},
};

const char *axi_api_cure(int code)
{
    int number = code < 0 ? -code : code;

    for (size_t i = 0; i < sizeof(cures) / sizeof(cures[0]); i++) {
        if (cures[i].code == number) {
            return cures[i].cure;
        }
    }
    return "";
}
