/* SPDX-License-Identifier: Apache-2.0 */
/* The web page (web/). Its files are compiled into the master and served to whoever can connect:
 * they tell nothing of the cluster. What the page shows it asks the API for, with the token. */
#ifndef AXI_MASTER_WEB_H
#define AXI_MASTER_WEB_H

#include "net/http.h"

/* One file of the page; the table is made by tools/embed. */
struct axi_web_file {
    const char *name; /* what follows /web/ */
    const char *etag; /* of the content, with its quotes */
    const uint8_t *bytes;
    size_t count;
};
extern const struct axi_web_file axi_web_files[];
extern const size_t axi_web_file_count;

/* What a request gets. */
struct axi_web_answer {
    unsigned status;                 /* 200, 304, 400 (method) or 404 */
    const struct axi_web_file *file; /* with 200 and 304 */
    const char *type;                /* its media type */
};

/* Is the path one of the page's, whether or not there is such a file? */
bool axi_web_owns(const char *path);
/* known: the request's If-None-Match, or NULL. */
struct axi_web_answer axi_web_find(const char *method, const char *path, const char *known);
/* Replies. */
void axi_web_handle(struct axi_http_request *request);

#endif
