/* SPDX-License-Identifier: Apache-2.0 */
#include "core/elf.h"

#include "support/test.h"
int main(void)
{
    return 0;
}
