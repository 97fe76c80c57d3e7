/* SPDX-License-Identifier: Apache-2.0 */
/* Files that commands read whole; "-" is stdin. */
#ifndef AXI_CLI_INPUT_H
#define AXI_CLI_INPUT_H

#include <stddef.h>

/* Text from malloc with a NUL after it; NULL after having said what is wrong. limit: bytes. */
char *axi_cli_read(const char *command, const char *file, size_t limit, size_t *ret_size);

#endif
