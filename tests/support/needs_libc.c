/* SPDX-License-Identifier: Apache-2.0 */
/* Shows that tools/check-freestanding can fail: bare metal has no malloc. */
#include <stddef.h>

void *malloc(size_t bytes);
void *axi_needs_libc(void);

void *axi_needs_libc(void)
{
    return malloc(1);
}
