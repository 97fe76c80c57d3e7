/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP/JSON API (docs/api.md): paths and bodies in front of the master's core. Loop thread. */
#ifndef AXI_MASTER_API_H
#define AXI_MASTER_API_H

#include "master/checkpoint_list.h"
#include "master/leader.h"
#include "master/master.h"
#include "net/http.h"

#define AXI_API_BLOB_BYTES_MAX (16u << 20) /* largest ELF taken */
#define AXI_API_BODY_BYTES_MAX (256u << 10)
#define AXI_API_MANIFEST_BYTES_MAX (4u << 20) /* what is declared at once */

/* Filled by the daemon; borrowed by the handler for the server's life. */
struct axi_api {
    struct axi_master *master; /* NULL: this one does not lead */
    const struct axi_leader *leader;
    struct axi_checkpoint_list *checkpoints;
    const char *name;         /* of this master */
    const char *blob_dir;     /* image/blobs.h */
    const char *node_address; /* where nodes connect, for status */
    void *context;
    uint64_t (*now_master_ns)(void *context);
    void (*changed)(void *context); /* an entry point of the master was called: tick it soon */
};

/* For struct axi_http_config; context is a struct axi_api. */
int axi_api_handle(void *context, struct axi_http_request *request, bool is_last);
size_t axi_api_body_limit(const char *method, const char *path);
/* The web page's files are answered without a token. */
bool axi_api_is_open(const char *method, const char *path);

/* What to do about an error; "" = nothing to say. */
const char *axi_api_cure(int code);
/* Replies with code, reason and the cure that fits the code. */
void axi_api_refuse(struct axi_http_request *request, int code, const char *reason);
/* The body as a JSON object; NULL after having replied. An empty body is an empty object. */
json_t *axi_api_body_object(struct axi_http_request *request);

/* api_image.c */
int axi_api_put_blob(struct axi_api *api, struct axi_http_request *request, const char *digest);
int axi_api_get_blob(struct axi_api *api, struct axi_http_request *request, const char *digest);
int axi_api_add_image(struct axi_api *api, struct axi_http_request *request);

/* api_declare.c: what is declared, and what the cluster makes of it */
int axi_api_apply(struct axi_api *api, struct axi_http_request *request);
int axi_api_undeclare(struct axi_api *api, struct axi_http_request *request);
int axi_api_rollout(struct axi_api *api, struct axi_http_request *request, const char *service);
int axi_api_cordon(struct axi_api *api, struct axi_http_request *request, const char *node,
                   bool is_cordoned);
int axi_api_drain(struct axi_api *api, struct axi_http_request *request, const char *node);
int axi_api_rebalance(struct axi_api *api, struct axi_http_request *request);
/* api_hosts.c. get: AXI_HTTP_WAIT, negative after having replied, or 0 with the host, NULL = none.
 */
int axi_api_put_host(struct axi_api *api, struct axi_http_request *request, const char *name);
int axi_api_get_host(struct axi_api *api, struct axi_http_request *request, const char *name,
                     bool is_last, json_t **ret_host);
int axi_api_delete_host(struct axi_api *api, struct axi_http_request *request, const char *name);

#endif
