/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/JSON API of a checkpoint manager (docs/api.md). Loop thread. */
#ifndef AXI_CMS_API_H
#define AXI_CMS_API_H

#include "cms/manager.h"
#include "net/http.h"

#define AXI_CMS_API_BODY_BYTES_MAX (128u << 10) /* more than a checkpoint */

/* Filled by the daemon; borrowed by the handler for the server's life. */
struct axi_cms_api {
    struct axi_cms *cms;
    struct axi_checkpoints *checkpoints;
};

/* For struct axi_http_config; context is a struct axi_cms_api. */
int axi_cms_api_handle(void *context, struct axi_http_request *request, bool is_last);
size_t axi_cms_api_body_limit(const char *method, const char *path);

#endif
