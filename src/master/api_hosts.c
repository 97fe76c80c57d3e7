/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts of partitions over HTTP. */
#include "master/api.h"

#include <microhttpd.h>
#include <stdio.h>

int axi_api_put_host(struct axi_api *api, struct axi_http_request *request, const char *name)
{
    char reason[AXI_REASON_BYTES] = "";
    json_t *answer = NULL;
    json_t *body = axi_api_body_object(request);

    if (body == NULL) {
        return 0;
    }
    int r = axi_master_host_report(api->master, name, body, &answer, reason);

    json_decref(body);
    api->changed(api->context);
    if (r < 0) {
        axi_api_refuse(request, r, reason);
    } else {
        axi_http_reply(request, MHD_HTTP_OK, answer);
    }
    return 0;
}

/* ?revision=R&wait_ms=: waits until the host's record is another one. */
int axi_api_get_host(struct axi_api *api, struct axi_http_request *request, const char *name,
                     bool is_last, json_t **ret_host)
{
    uint64_t revision = UINT64_MAX;

    *ret_host = NULL;
    if (!axi_http_query_number(request, "revision", UINT64_MAX, &revision)) {
        axi_api_refuse(request, -AXC_EINVALID, "revision is not a number");
        return -AXC_EINVALID;
    }
    json_t *host = axi_master_host(api->master, name);

    if (host != NULL && !is_last &&
        (uint64_t)json_integer_value(json_object_get(host, "revision")) == revision) {
        json_decref(host);
        return AXI_HTTP_WAIT;
    }
    *ret_host = host;
    return 0;
}

int axi_api_delete_host(struct axi_api *api, struct axi_http_request *request, const char *name)
{
    char reason[AXI_REASON_BYTES] = "";
    int r = axi_master_host_delete(api->master, name, reason);

    api->changed(api->context);
    if (r < 0) {
        axi_api_refuse(request, r, reason);
    } else {
        axi_http_reply(request, MHD_HTTP_OK, json_pack("{s:s}", "deleted", name));
    }
    return 0;
}
