/* SPDX-License-Identifier: Apache-2.0 */
/* Puts bare-metal images into a guest's memory: ELF files (32 and 64 bit, little endian, linked at
 * fixed addresses) by their physical addresses, raw files at a load address. Foreign bytes: every
 * check names what is wrong, nothing outside the guest's memory is written, a file that shrinks
 * while it is read is an error like others. */
#ifndef AXI_RUNAX_GUEST_IMAGE_H
#define AXI_RUNAX_GUEST_IMAGE_H

#include "runax/hv/guest_memory.h"

#define AXI_GUEST_SEGMENTS_MAX 64u /* of all images of a partition */

enum { AXI_MACHINE_ARM = 40, AXI_MACHINE_X86_64 = 62, AXI_MACHINE_AARCH64 = 183 }; /* e_machine */

struct axi_guest_loaded { /* zero it before the first image */
    struct {
        uint64_t guest;
        uint64_t bytes;
    } segments[AXI_GUEST_SEGMENTS_MAX];
    uint32_t count;
};

/* Loads one image for processors of `machine`. `ram` is where the application processors' RAM
 * begins: a raw file without a load address must carry the arm64 Image header and goes to ram + its
 * text offset. `loaded` remembers what is taken, so that images cannot overlap each other.
 * ret_entry: the image's entry when stated, else the ELF file's or the load address.
 * -AXC_EELF_...; -AXC_ERESOURCE_OVERLAP; -AXC_EOVERFLOW (does not fit into the guest's memory);
 * -AXC_EBOARD (ELF for other processors); -AXC_EINVALID (nowhere to load to); -AXC_EIO. */
AXC_MUST_USE int axi_guest_load(const struct axi_guest_memory *memory,
                                const struct axi_partition_image *image, uint16_t machine,
                                uint64_t ram, struct axi_guest_loaded *loaded,
                                struct axi_report *report, uint64_t *ret_entry);

#endif
