/* SPDX-License-Identifier: Apache-2.0 */
/* ELF files of the cluster's tasks, fetched from the master's HTTP API before they are needed: when
 * a node dies, the master may be gone as well. A background thread watches the task records and
 * keeps DIR/blobs complete; the loop only reads files. */
#ifndef AXI_CMS_FETCHER_H
#define AXI_CMS_FETCHER_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct axi_cms_fetcher;

struct axi_cms_fetcher_config {
    uv_loop_t *loop;
    const char *store;      /* axi_store_open; the thread has its own handle */
    const char *dir;        /* axi_blobs_init was called for it */
    const char *master_api; /* "HOST:PORT[,...]" of the masters; NULL = nothing is fetched */
    const char *token;
    void (*arrived)(void *context); /* in the loop: a blob came */
    void *context;
}; /* strings borrowed for the fetcher's life */

AXC_MUST_USE int axi_cms_fetcher_new(const struct axi_cms_fetcher_config *config,
                                     struct axi_cms_fetcher **ret_fetcher);
/* *ret_bytes from malloc, the caller's. -AXC_ENOENT: not here; it is being fetched. */
AXC_MUST_USE int axi_cms_fetcher_get(struct axi_cms_fetcher *fetcher, const uint8_t digest[32],
                                     uint8_t **ret_bytes, size_t *ret_size);
/* Waits for a request under way (bounded); memory goes once the loop has run its closing. */
void axi_cms_fetcher_free(struct axi_cms_fetcher *fetcher); /* NULL is fine */

#endif
