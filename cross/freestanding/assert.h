/* SPDX-License-Identifier: Apache-2.0 */
/* A broken assertion traps: there is no stderr to write to. */
#ifndef AXI_FREESTANDING_ASSERT_H
#define AXI_FREESTANDING_ASSERT_H

#ifdef NDEBUG
#define assert(condition) ((void)0)
#else
#define assert(condition) ((condition) ? (void)0 : __builtin_trap())
#endif
#define static_assert _Static_assert

#endif
