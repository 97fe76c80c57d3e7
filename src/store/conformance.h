/* SPDX-License-Identifier: Apache-2.0 */
/* The tests every backend of the cluster store must pass. */
#ifndef AXI_STORE_CONFORMANCE_H
#define AXI_STORE_CONFORMANCE_H

#include "store/store.h"

/* Runs the suite with two handles on one empty store (borrowed); fails by cmocka's assertions. */
void axi_store_conformance(struct axi_store *a, struct axi_store *b);

/* Two threads, a handle each, claim the same 500 keys: each has exactly one winner. */
void axi_store_race(struct axi_store *a, struct axi_store *b);

#endif
