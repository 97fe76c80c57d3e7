/* SPDX-License-Identifier: Apache-2.0 */
/* Direct convolution of a dense array with a short list of (shift, probability), in place. Positive
 * terms only, so the relative error of every cell grows by at most (count + 1) * 2^-53 a call.
 *
 *   cells:  [pad zeros | 0 ... lo ... hi ... limit | pad zeros]     content in lo..hi, zero
 * elsewhere
 *
 * Output cells are computed from the top down in blocks held in registers, so a block reads only
 * cells that are not yet overwritten. */
#ifndef AXI_MODEL_CONVOLVE_H
#define AXI_MODEL_CONVOLVE_H

#include <stddef.h>
#include <stdint.h>

#define AXI_CONVOLVE_PAD 64u /* readable zero cells needed before index 0 and after the limit */

struct axi_convolve_job {
    double *cells; /* index 0; padded on both sides */
    size_t lo;     /* first and last cell that may be non-zero */
    size_t hi;
    size_t limit;           /* results beyond this cell are not stored */
    const uint64_t *shifts; /* ascending */
    const double *probs;
    size_t count; /* >= 1 */
};

/* Picks the widest vector unit of the processor once. Returns the new hi (cells lo..hi hold the
 * result; those below lo + shifts[0] are zero). If lo + shifts[0] > limit all cells become zero and
 * lo is returned. */
size_t axi_convolve(const struct axi_convolve_job *job);

/* The portable version the others are compared with. */
size_t axi_convolve_reference(const struct axi_convolve_job *job);

/* "avx512", "avx2" or "portable". Static storage. */
const char *axi_convolve_variant(void);

#endif
