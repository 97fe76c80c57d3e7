/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/partition.h"

#include "base/error.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *axi_partition_option(const struct axi_partition *partition, const char *key)
{
    for (uint32_t i = 0; i < partition->option_count; i++) {
        if (strcmp(partition->options[i].key, key) == 0) {
            return partition->options[i].value;
        }
    }
    return NULL;
}

static uint64_t hash_text(const char *text) /* FNV-1a, 64 bit */
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *text != '\0'; text++) {
        hash = (hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
    }
    return hash;
}

void axi_partition_name(struct axi_partition *partition)
{
    if (strlen(partition->id) < sizeof(partition->name)) {
        (void)snprintf(partition->name, sizeof(partition->name), "%.31s", partition->id);
        return;
    }
    (void)snprintf(partition->name, sizeof(partition->name), "%.18s-%012" PRIx64, partition->id,
                   hash_text(partition->id) & UINT64_C(0xffffffffffff));
}

static int parse_number(const char **text, uint32_t *ret_number)
{
    if (**text < '0' || **text > '9') {
        return -AXC_EINVALID;
    }
    char *end = NULL;
    unsigned long number = strtoul(*text, &end, 10);
    if (number >= AXI_CPUS_MAX) {
        return -AXC_EOVERFLOW;
    }
    *text = end;
    *ret_number = (uint32_t)number;
    return 0;
}

int axi_cpuset_parse(const char *text, struct axi_cpuset *ret_set)
{
    struct axi_cpuset set = {0};
    while (*text != '\0') {
        uint32_t first = 0;
        int rc = parse_number(&text, &first);
        uint32_t last = first;
        if (rc == 0 && *text == '-') {
            text++;
            rc = parse_number(&text, &last);
        }
        if (rc != 0 || last < first) {
            return rc != 0 ? rc : -AXC_EINVALID;
        }
        for (uint32_t cpu = first; cpu <= last; cpu++) {
            axi_cpuset_add(&set, cpu);
        }
        if (*text == ',' && text[1] != '\0') {
            text++;
        } else if (*text != '\0') {
            return -AXC_EINVALID;
        }
    }
    *ret_set = set;
    return 0;
}

void axi_cpuset_print(const struct axi_cpuset *set, char *ret_text, uint32_t size)
{
    uint32_t used = 0;
    ret_text[0] = '\0';
    for (uint32_t cpu = 0; cpu < AXI_CPUS_MAX; cpu++) {
        if (!axi_cpuset_has(set, cpu)) {
            continue;
        }
        uint32_t last = cpu;
        while (axi_cpuset_has(set, last + 1)) {
            last++;
        }
        const char *comma = used == 0 ? "" : ",";
        int n = last == cpu ? snprintf(ret_text + used, size - used, "%s%u", comma, cpu)
                            : snprintf(ret_text + used, size - used, "%s%u-%u", comma, cpu, last);
        if (n < 0 || (uint32_t)n >= size - used) {
            ret_text[used] = '\0';
            return;
        }
        used += (uint32_t)n;
        cpu = last;
    }
}

uint32_t axi_cpuset_count(const struct axi_cpuset *set)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < AXI_CPUS_MAX / 64; i++) {
        count += (uint32_t)__builtin_popcountll(set->bits[i]);
    }
    return count;
}
