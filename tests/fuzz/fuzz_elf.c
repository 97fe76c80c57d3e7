/* SPDX-License-Identifier: Apache-2.0 */
/* A file the loader accepts must give a sound plan, and loading it must stay inside the image. */
#include "base/bytes.h"
#include "core/elf.h"
#include "fuzz/fuzz.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { IMAGE_MAX = 1 << 18 };

static void check_plan(const struct axi_elf_plan *plan, size_t size)
{
    FUZZ_CHECK(plan->image_bytes > 0 && plan->image_bytes <= IMAGE_MAX);
    FUZZ_CHECK(plan->image_bytes % AXI_ELF_PAGE_BYTES == 0);
    FUZZ_CHECK(plan->text_bytes <= plan->data_offset);
    FUZZ_CHECK(plan->data_offset + plan->data_bytes == plan->image_bytes);
    FUZZ_CHECK(plan->entry < plan->text_bytes);
    FUZZ_CHECK(axi_range_ok(size, plan->rela_offset, plan->rela_count * 24));
    for (uint32_t i = 0; i < plan->segment_count; i++) {
        const struct axi_elf_segment *s = &plan->segments[i];
        bool is_data = (s->flags & AXI_ELF_SEGMENT_WRITE) != 0;

        FUZZ_CHECK(axi_range_ok(size, s->file_offset, s->file_bytes));
        FUZZ_CHECK(!is_data || (s->flags & AXI_ELF_SEGMENT_EXECUTE) == 0);
        FUZZ_CHECK(is_data ? s->image_offset >= plan->data_offset
                           : s->image_offset + s->memory_bytes <= plan->text_bytes);
    }
}

static void check_isa(const uint8_t *data, size_t size, enum axi_isa isa)
{
    struct axi_elf_limits limits = {.image_bytes_max = IMAGE_MAX, .isa = isa};
    struct axi_elf_plan plan;
    uint8_t *image;

    if (axi_elf_check(data, size, &limits, &plan) != 0) {
        return;
    }
    check_plan(&plan, size);
    image = malloc((size_t)plan.image_bytes); /* the sanitizer watches its ends */
    FUZZ_CHECK(image != NULL);
    FUZZ_CHECK(axi_elf_load(data, size, &plan, image, 0x400000) == 0);
    free(image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_isa(data, size, AXI_ISA_X86_64);
    check_isa(data, size, AXI_ISA_AARCH64);
    return 0;
}
