/* SPDX-License-Identifier: Apache-2.0 */
#include "master/traces.h"

#include "base/log.h"
#include "history/file.h"
#include "net/host.h"

#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILES_MAX 256u
#define RECORDS_MAX (1u << 20) /* room in a new file; it is sparse */

struct traced_node {
    uint64_t node_id;
    struct axi_history_file file; /* map NULL: it cannot be written */
};

struct axi_traces {
    char dir[PATH_MAX];
    struct traced_node nodes[FILES_MAX];
    size_t count;
};

int axi_traces_new(const char *dir, struct axi_traces **ret_traces)
{
    struct axi_traces *traces = calloc(1, sizeof(*traces));
    int r = traces == NULL ? -AXC_ENOMEM : axi_host_make_directory(dir);

    if (r == 0 && snprintf(traces->dir, sizeof(traces->dir), "%s", dir) >= PATH_MAX) {
        r = -AXC_EIO;
    }
    if (r < 0) {
        free(traces);
        return r;
    }
    *ret_traces = traces;
    return 0;
}

void axi_traces_free(struct axi_traces *traces)
{
    for (size_t i = 0; traces != NULL && i < traces->count; i++) {
        axi_history_file_close(&traces->nodes[i].file);
    }
    free(traces);
}

/* A node's name comes from the network: it must not lead out of the directory. */
static bool is_file_name(const char *name)
{
    return name[0] != '.' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
               strlen(name);
}

static struct traced_node *find(struct axi_traces *traces, const char *name, uint64_t node_id)
{
    struct traced_node *node = NULL;
    char path[PATH_MAX + 64];
    char id[24];

    for (size_t i = 0; i < traces->count; i++) {
        if (traces->nodes[i].node_id == node_id) {
            return &traces->nodes[i];
        }
    }
    if (traces->count == FILES_MAX) {
        return NULL;
    }
    node = &traces->nodes[traces->count++];
    node->node_id = node_id;
    (void)snprintf(id, sizeof(id), "%012" PRIx64, node_id);
    (void)snprintf(path, sizeof(path), "%s/%s.history", traces->dir,
                   is_file_name(name) ? name : id);
    int r = axi_history_file_open(&node->file, path, node_id, RECORDS_MAX);

    if (r < 0) {
        axi_log(AXI_LOG_ERROR, "history-file", "node=%s path=%s error=%s text=\"%s\"", name, path,
                axi_error_name(r), "its records are dropped");
    }
    return node;
}

uint64_t axi_traces_take(struct axi_traces *traces, const char *node, uint64_t node_id,
                         uint64_t boot_id, uint64_t first, const uint8_t *records, size_t count)
{
    struct traced_node *traced = find(traces, node, node_id);

    return traced != NULL && traced->file.map != NULL
               ? axi_history_take(&traced->file.history, boot_id, first, records, count)
               : first + count;
}
