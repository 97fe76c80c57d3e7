/* SPDX-License-Identifier: Apache-2.0 */
/* Records of all sources as the checker walks them. Nothing outside src/history includes it. */
#ifndef AXI_HISTORY_ENTRIES_H
#define AXI_HISTORY_ENTRIES_H

#include "history/checker.h"

/* A record with where it comes from. */
struct axi_entry {
    const struct axi_trace *record;
    uint32_t source;
    uint32_t place;
};

/* Sorted by task, epoch, source, place. */
struct axi_entries {
    const struct axi_entry *list;
    size_t count;
};

/* Memory from malloc; NULL: there is none. */
struct axi_entry *axi_entries_sort(const struct axi_check_source *sources, size_t source_count,
                                   size_t *ret_count);

/* ---- seeds.c: a first epoch that begins with another task's state ---- */

struct axi_seed_past {
    bool is_known;      /* it ran: else the state was its own seed's, handed on */
    uint64_t next_job;  /* one more than the highest job that ended */
    bool has_state;     /* it is on record what its state was before `job` */
    uint32_t state_crc; /* then */
};

/* What is on record of `seed` up to (not including) `job`. */
void axi_seed_look(const struct axi_entries *entries, uint64_t seed, uint64_t job,
                   struct axi_seed_past *ret_past);

/* Brings the reference of the seeded task to where its first epoch begins: replays what its seed
 * (and that one's seed, and so on) did, with the seeded task's program, then makes a checkpoint of
 * the activated job. False: not possible, or the digests on record are not this program's (another
 * image), so that nothing can be said of the state. */
bool axi_seed_replay(const struct axi_entries *entries, const struct axi_reference *reference,
                     const struct axi_trace *activated);

#endif
