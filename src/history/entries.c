/* SPDX-License-Identifier: Apache-2.0 */
#include "history/entries.h"

#include <stdlib.h>

static int compare_entries(const void *left, const void *right)
{
    const struct axi_entry *a = left;
    const struct axi_entry *b = right;

    if (a->record->task_id != b->record->task_id) {
        return a->record->task_id < b->record->task_id ? -1 : 1;
    }
    if (a->record->epoch != b->record->epoch) {
        return a->record->epoch < b->record->epoch ? -1 : 1;
    }
    if (a->source != b->source) {
        return a->source < b->source ? -1 : 1;
    }
    return a->place < b->place ? -1 : a->place > b->place;
}

struct axi_entry *axi_entries_sort(const struct axi_check_source *sources, size_t source_count,
                                   size_t *ret_count)
{
    struct axi_entry *entries = NULL;
    size_t count = 0;

    for (size_t i = 0; i < source_count; i++) {
        count += sources[i].count;
    }
    entries = malloc((count + 1) * sizeof *entries);
    if (entries == NULL) {
        return NULL;
    }
    count = 0;
    for (size_t i = 0; i < source_count; i++) {
        for (size_t k = 0; k < sources[i].count; k++) {
            entries[count++] = (struct axi_entry){&sources[i].records[k], (uint32_t)i, (uint32_t)k};
        }
    }
    qsort(entries, count, sizeof *entries, compare_entries);
    *ret_count = count;
    return entries;
}
