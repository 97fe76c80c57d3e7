/* SPDX-License-Identifier: Apache-2.0 */
/* Cell configurations of every layout, and journal entries: what can be read is written back to the
 * same bytes (the padding of cache regions excepted), and checking it reads nothing outside. */
#include "fuzz/fuzz.h"
#include "runax/hv/jailhouse/cell.h"
#include "runax/resource/journal.h"

#include <string.h>

static struct axi_cell cell;
static struct axi_journal_entry entry;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t bytes[AXI_CELL_BYTES_MAX];
    for (unsigned i = 0; i < AXI_CELL_LAYOUTS && size <= sizeof(bytes); i++) {
        enum axi_cell_layout layout = (enum axi_cell_layout)i;
        struct axi_report report = {0};
        size_t length = 0;
        if (axi_cell_read(data, size, layout, &cell, &report) != 0) {
            continue;
        }
        FUZZ_CHECK(axi_cell_check(&cell, &report) == 0 || report.text[0] != '\0');
        FUZZ_CHECK(axi_cell_check_pair(&cell, &cell, &report) == -AXC_ECELL); /* one name */
        FUZZ_CHECK(axi_cell_write(&cell, layout, bytes, sizeof(bytes), &length, &report) == 0);
        FUZZ_CHECK(length == size && (cell.cache_count != 0 || memcmp(bytes, data, size) == 0));
    }
    if (axi_journal_decode(data, size, &entry) == 0) {
        FUZZ_CHECK(axi_journal_encode(&entry, bytes, sizeof(bytes)) == (int)size);
    }
    return 0;
}
