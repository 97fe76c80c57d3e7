/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever the file is: nothing but the guest's memory is written, and what loads has its entry
 * said. The first byte chooses format, processor and address; the rest is the file. */
#include "fuzz/fuzz.h"
#include "runax/hv/guest_image.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define GUEST 0x40000000u
#define GUEST_BYTES 0x10000u

static const uint16_t machines[] = {AXI_MACHINE_AARCH64, AXI_MACHINE_X86_64, AXI_MACHINE_ARM};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 1u << 17) {
        return 0;
    }
    struct axi_guest_memory memory = {.count = 1};
    struct axi_guest_loaded loaded = {0};
    struct axi_report report = {0};
    memory.regions[0] = (struct axi_guest_region){
        .guest = GUEST, .bytes = GUEST_BYTES, .host = calloc(1, GUEST_BYTES), .fd = -1};
    FUZZ_CHECK(memory.regions[0].host != NULL);
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    FUZZ_CHECK(fd >= 0 && write(fd, data + 1, size - 1) == (ssize_t)(size - 1));
    struct axi_partition_image image = {.path = "fuzz",
                                        .fd = fd,
                                        .bytes = size - 1,
                                        .format = data[0] & 1 ? AXI_IMAGE_RAW : AXI_IMAGE_ELF,
                                        .core = -1,
                                        .load_address = data[0] & 2 ? GUEST : AXI_ANY,
                                        .entry = AXI_ANY};
    uint64_t entry = AXI_ANY;
    for (int i = 0; i < 2; i++) { /* the second one may not overlap the first */
        int rc = axi_guest_load(&memory, &image, machines[(data[0] >> 2) % 3], GUEST, &loaded,
                                &report, &entry);
        FUZZ_CHECK(rc != 0 || (i == 0 && entry != AXI_ANY));
        FUZZ_CHECK(rc == 0 || report.text[0] != '\0');
    }
    (void)close(fd);
    free(memory.regions[0].host);
    return 0;
}
