/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

struct entry {
    int number;
    const char *name;
    const char *text;
};

static const struct entry entries[] = {{0, "OK", "ok"},
#define ENTRY(name, number, text) {number, #name, text},
                                       AXC_ERROR_LIST(ENTRY)
#undef ENTRY
};

static const struct entry *find(int error)
{
    static const struct entry unknown = {0, "UNKNOWN", "unknown error"};
    int number = error < 0 ? -error : error;

    for (unsigned i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        if (entries[i].number == number) {
            return &entries[i];
        }
    }
    return &unknown;
}

const char *axi_error_name(int error)
{
    return find(error)->name;
}

const char *axi_error_text(int error)
{
    return find(error)->text;
}
