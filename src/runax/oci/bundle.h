/* SPDX-License-Identifier: Apache-2.0 */
/* An OCI bundle: config.json (runtime-spec 1.0 to 1.3), of which a partition uses the root file
 * system, process (terminal, args, oomScoreAdj), hooks, annotations, cgroup path, cpuset and vm.
 * The rest describes Linux processes; it is read over. Untrusted: bounded, types checked. */
#ifndef AXI_RUNAX_OCI_BUNDLE_H
#define AXI_RUNAX_OCI_BUNDLE_H

#include "runax/partition.h"
#include "runax/report.h"

#include <jansson.h>
#include <limits.h>

#define AXI_BUNDLE_BYTES_MAX (4u * 1024u * 1024u)

struct axi_bundle {
    char path[PATH_MAX];                    /* absolute */
    char rootfs[PATH_MAX];                  /* absolute */
    char version[32];                       /* ociVersion */
    char cgroup[PATH_MAX];                  /* linux.cgroupsPath or "" */
    char program[AXI_PARTITION_PATH_BYTES]; /* process.args[0] or "" */
    bool has_terminal;
    bool has_oom_score;
    int oom_score;
    uint64_t memory_limit;  /* linux.resources.memory.limit, 0 = none */
    struct axi_cpuset cpus; /* linux.resources.cpu.cpus, empty = any */
    json_t *annotations;    /* owned; object of texts */
    json_t *hooks;          /* owned; object or NULL */
    json_t *vm;             /* owned; object or NULL */
};

/* -AXC_ENOENT, -AXC_EBUNDLE (the report names the member). */
AXC_MUST_USE int axi_bundle_read(const char *folder, struct axi_bundle *ret_bundle,
                                 struct axi_report *report);
AXC_MUST_USE int axi_bundle_parse(const char *text, size_t bytes, const char *folder,
                                  struct axi_bundle *ret_bundle, struct axi_report *report);
void axi_bundle_deinit(struct axi_bundle *bundle);

/* The value or NULL; borrowed. key: without the prefix "dev.axcan.". */
const char *axi_bundle_annotation(const struct axi_bundle *bundle, const char *key);

/* The whole of a regular file of at most bytes_max bytes with a NUL behind, the caller frees. */
AXC_MUST_USE int axi_bundle_read_file(int fd, size_t bytes_max, char **ret_text, size_t *ret_bytes);

#endif
