/* SPDX-License-Identifier: Apache-2.0 */
/* Texts in bounded buffers, where there is no printf. What does not fit is cut off; the buffer
 * always ends with 0. */
#ifndef AXI_BASE_TEXT_H
#define AXI_BASE_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* Clears the whole buffer, then copies. NULL: empty. */
void axi_text_set(char *to, size_t capacity, const char *text);
void axi_text_add(char *to, size_t capacity, const char *text);
void axi_text_add_number(char *to, size_t capacity, uint64_t number);

#endif
