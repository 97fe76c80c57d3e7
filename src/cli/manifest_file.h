/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests in files, as `axcan apply`, diff, plan and delete take them. */
#ifndef AXI_CLI_MANIFEST_FILE_H
#define AXI_CLI_MANIFEST_FILE_H

#include "cli/client.h"

#include <jansson.h>

/* All objects of the manifest, normalised; "-" is stdin. *ret_objects: a new array. 0, or
 * AXI_EXIT_USAGE, said, when it is wrong or cannot be read. */
int axi_manifest_file(const struct axi_client *client, const char *file, json_t **ret_objects);

/* Replaces images that are files, relative to the manifest, by their digests; is_uploaded: the
 * master gets them (the client is open). Takes out the lines. 0 or an exit code, said. */
int axi_manifest_images(struct axi_client *client, const char *file, bool is_uploaded,
                        json_t *objects);

#endif
