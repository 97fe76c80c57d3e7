/* SPDX-License-Identifier: Apache-2.0 */
/* Blobs that a daemon wants to have, fetched in the background from the HTTP APIs of others (GET
 * /v1/blobs/sha256:DIGEST) before they are needed: when they are, those others may be gone. */
#ifndef AXI_NET_FETCH_H
#define AXI_NET_FETCH_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#define AXI_FETCH_DIGEST_BYTES 32u
#define AXI_FETCH_SOURCES_BYTES 640u

struct axi_fetch;

/* look and put run in the fetcher's thread. */
struct axi_fetch_config {
    uv_loop_t *loop;
    const char *sources; /* "HOST:PORT[,HOST:PORT...]", tried in turn; NULL = none yet */
    const char *token;   /* borrowed for the fetcher's life */
    uint32_t look_ms;    /* between looks, below 1000 */
    /* Finds what is missing (axi_fetch_want), and who may have it (axi_fetch_set_sources). */
    void (*look)(void *context, struct axi_fetch *fetch);
    /* Checks and keeps it. */
    int (*put)(void *context, const uint8_t digest[AXI_FETCH_DIGEST_BYTES], const void *bytes,
               size_t count);
    void (*arrived)(void *context); /* in the loop: a blob came, or axi_fetch_tell */
    void *context;
};

AXC_MUST_USE int axi_fetch_new(const struct axi_fetch_config *config, struct axi_fetch **ret_fetch);
/* Waits for a request under way (bounded); memory goes once the loop has run its closing. NULL is
 * fine. */
void axi_fetch_free(struct axi_fetch *fetch);

/* Any thread. What all sources refuse is forgotten: want it again. */
void axi_fetch_want(struct axi_fetch *fetch, const uint8_t digest[AXI_FETCH_DIGEST_BYTES]);
void axi_fetch_set_sources(struct axi_fetch *fetch, const char *sources);
void axi_fetch_tell(struct axi_fetch *fetch);

#endif
