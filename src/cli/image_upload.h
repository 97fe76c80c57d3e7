/* SPDX-License-Identifier: Apache-2.0 */
/* Images in files: their digests, and bringing them to the master. All return 0 or an exit code
 * after having said what is wrong. */
#ifndef AXI_CLI_IMAGE_UPLOAD_H
#define AXI_CLI_IMAGE_UPLOAD_H

#include "cli/client.h"
#include "image/digest.h"

/* Without a word to the master. ret_digest: "sha256:HEX". */
int axi_image_digest_of(const char *command, const char *file,
                        char ret_digest[AXI_DIGEST_TEXT_BYTES]);
/* Makes the image in `file` known to the master. ret_digest: "sha256:HEX". */
int axi_image_upload(struct axi_client *client, const char *file,
                     char ret_digest[AXI_DIGEST_TEXT_BYTES]);
/* FILE that is there: uploaded, its digest without "sha256:". Anything else: the reference of an
 * image the master knows already. */
int axi_image_or_name(struct axi_client *client, const char *what,
                      char ret_image[AXI_DIGEST_TEXT_BYTES]);

#endif
