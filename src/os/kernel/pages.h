/* SPDX-License-Identifier: Apache-2.0 */
/* The page pool's beginning; its use is in kernel/memory.h. For kernel/ only. */
#ifndef AXI_OS_PAGES_H
#define AXI_OS_PAGES_H

#include <stdbool.h>
#include <stddef.h>

#define AXI_POOL_PAGES_MAX (1u << 19) /* 2 GiB */

/* Everything in `first` .. is free. At most AXI_POOL_PAGES_MAX pages are used. */
void axi_pages_init(void *first, size_t bytes);
/* Keeps these bytes out of the pool, as far as they lie in it. Before the first take. */
void axi_pages_reserve(const void *first, size_t bytes);
/* True when all of them lie in what the pool spans. */
bool axi_pages_span(const void *first, size_t bytes);

#endif
