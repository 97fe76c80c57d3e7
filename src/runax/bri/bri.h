/* SPDX-License-Identifier: Apache-2.0 */
/* Binary runtime information: what an image says about itself, a JSON file in it (format:
 * docs/formats/bri.md). It becomes a request: a partition with AXI_ANY where the image does not
 * care. Foreign bytes: strict, bounded, fuzzed; every refusal names the member. */
#ifndef AXI_RUNAX_BRI_H
#define AXI_RUNAX_BRI_H

#include "runax/partition.h"
#include "runax/report.h"

#include <stddef.h>

#define AXI_BRI_PATH "boot/axcan.json" /* in the image's root file system */
#define AXI_BRI_BYTES_MAX (64u * 1024u)
#define AXI_BRI_VERSION 1u
#define AXI_BRI_HVS_MAX 4u

#define AXI_BRI_TASKS_MAX 32u

enum axi_predicted { AXI_PREDICTED_CPUS = 1, AXI_PREDICTED_MEMORY = 2 };

/* What runs inside, for people and schedulers: nothing here changes the partition. */
struct axi_bri_task {
    char name[32];
    char digest[72]; /* of its ELF file, or "" */
    uint32_t period_us;
    uint32_t deadline_us;
    uint64_t wcet_ns;
    uint32_t state_bytes;
};

struct axi_bri {
    uint32_t version;
    struct axi_partition partition; /* id, name empty; images[].path relative to the root, fd -1 */
    char digests[AXI_PARTITION_IMAGES_MAX][72]; /* "sha256:..." or "": not stated */
    char hvs[AXI_BRI_HVS_MAX][16];              /* backends it is built for; none: any */
    uint32_t hv_count;
    char layouts[AXI_BRI_HVS_MAX][16]; /* Jailhouse layouts it is tested with; none: any */
    uint32_t layout_count;
    uint32_t predicted; /* enum axi_predicted: not known when it was built, but predicted */
    struct axi_bri_task tasks[AXI_BRI_TASKS_MAX];
    uint32_t task_count;
};

/* -AXC_EBRI (report names the member), -AXC_ENOMEM. `text` need not end in NUL. */
AXC_MUST_USE int axi_bri_parse(const char *text, size_t bytes, struct axi_bri *ret_bri,
                               struct axi_report *report);

/* The JSON text of it, the same for the same input, which axi_bri_parse reads back to the same;
 * what is as when absent is left out. The caller frees; NULL when out of memory. */
char *axi_bri_print(const struct axi_bri *bri);

/* "" or "sha256:" and 64 digits. */
bool axi_bri_is_digest(const char *text);

/* What is stated for people: tasks, what is predicted. Internal to bri/. */
struct axi_json;
AXC_MUST_USE int axi_bri_read_facts(const struct axi_json *json, struct axi_bri *bri);

#endif
