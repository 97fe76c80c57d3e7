/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps a master's blob directory complete: whatever the images in the store list and is missing
 * here is fetched from the other masters, so that this one can lead when they are gone. */
#ifndef AXI_MASTER_BLOB_KEEPER_H
#define AXI_MASTER_BLOB_KEEPER_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct axi_blob_keeper;

struct axi_blob_keeper_config {
    uv_loop_t *loop;
    const char *store; /* location; the keeper's thread has a handle of its own */
    const char *dir;   /* image/blobs.h */
    const char *token;
    uint64_t id; /* of this master: it does not ask itself */
    /* In the loop: all blobs are here as of this revision of the store, or not. */
    void (*judged)(void *context, uint64_t revision, bool is_complete);
    void *context;
}; /* strings borrowed for the keeper's life */

AXC_MUST_USE int axi_blob_keeper_new(const struct axi_blob_keeper_config *config,
                                     struct axi_blob_keeper **ret_keeper);
void axi_blob_keeper_free(struct axi_blob_keeper *keeper); /* NULL is fine */

#endif
