/* SPDX-License-Identifier: Apache-2.0 */
/* Application images: one OCI index in which a Linux container and bare-metal images of the same
 * application stand side by side, an entry per platform (docs/formats/app-image.md). Also reads
 * indexes that others wrote. Host code; may block (files). */
#ifndef AXI_IMAGE_APP_IMAGE_H
#define AXI_IMAGE_APP_IMAGE_H

#include "image/oci.h"
#include "image/tar.h"

#include <stdbool.h>

#define AXI_APP_ENTRIES_MAX 12u
#define AXI_APP_LAYERS_MAX 32u
#define AXI_APP_LAYER_BYTES_MAX (512u << 20)
#define AXI_APP_WORD_BYTES 64u

/* One entry of an index. Texts an index does not state are "". */
struct axi_app_entry {
    char os[AXI_APP_WORD_BYTES];           /* "linux"; of bare-metal images "none" */
    char architecture[AXI_APP_WORD_BYTES]; /* "amd64", "arm64", "arm" */
    char variant[AXI_APP_WORD_BYTES];      /* of bare-metal images the board */
    char ref[AXI_APP_WORD_BYTES];          /* its own name in the layout */
    char board[AXI_APP_WORD_BYTES];        /* annotation dev.axcan.board */
    char hvs[AXI_APP_WORD_BYTES];          /* dev.axcan.hypervisors: "qemu,jailhouse"; "": any */
    char layouts[AXI_APP_WORD_BYTES];      /* dev.axcan.layouts */
    char bri[AXI_DIGEST_TEXT_BYTES];       /* dev.axcan.bri-digest: digest of /boot/axcan.json */
    struct axi_oci_blob manifest;
};

struct axi_app_index {
    char name[AXI_APP_WORD_BYTES * 2]; /* annotation org.opencontainers.image.title */
    struct axi_digest digest;          /* of the index document */
    uint32_t count;
    struct axi_app_entry entries[AXI_APP_ENTRIES_MAX];
};

/* What becomes an entry: manifest and bri are filled in by the writer. */
struct axi_app_part {
    struct axi_app_entry entry;
    const struct axi_tar_file *files;
    size_t file_count;
    const char *const *args; /* Entrypoint, NULL-terminated; args[0] a path in the image */
    const char *const *cmd;  /* Cmd, NULL-terminated; NULL: none */
};

/* Parses an index document; entries whose texts do not fit are refused, unknown members are not.
 * -AXC_EIMAGE_INDEX, _COUNT, _DIGEST, _TOO_LARGE. `digest` is that of the text. */
AXC_MUST_USE int axi_app_parse_index(const char *text, size_t bytes,
                                     struct axi_app_index *ret_index);
/* The index text of parts that have manifests; the caller frees. NULL when out of memory. */
char *axi_app_print_index(const struct axi_app_index *index);

/* Writes a layout whose index.json names the index ("latest") and each entry (ref). Digests and
 * sizes are filled in. Errors of axi_layout_*, axi_tar_write. */
AXC_MUST_USE int axi_app_write(const char *dir, const char *name, struct axi_app_part *parts,
                               uint32_t count, struct axi_app_index *ret_index);

/* Reads the index of a layout folder, or a file that is one (as `skopeo inspect --raw` prints it).
 * A layout without an index of its own (a task image): its index.json. -AXC_ENOENT,
 * -AXC_EIMAGE_LAYOUT, the errors of axi_app_parse_index and of axi_blobs_get. */
AXC_MUST_USE int axi_app_open(const char *path, struct axi_app_index *ret_index);

/* The layers of one entry, every digest checked; uncompressed (tar, tar+gzip). Free with
 * axi_app_unload. */
struct axi_app_layers {
    uint32_t count;
    uint64_t bytes; /* of all of them, as stored */
    uint8_t *data[AXI_APP_LAYERS_MAX];
    size_t sizes[AXI_APP_LAYERS_MAX];
    char program[256]; /* Entrypoint[0] or Cmd[0] */
};
AXC_MUST_USE int axi_app_load(const char *dir, const struct axi_app_entry *entry,
                              struct axi_app_layers *ret_layers);
void axi_app_unload(struct axi_app_layers *layers);

/* A file of the entry's root file system; borrowed. -AXC_ENOENT, -AXC_EIMAGE_LAYER. */
AXC_MUST_USE int axi_app_find(const struct axi_app_layers *layers, const char *path,
                              struct axi_tar_file *ret_file);

#endif
