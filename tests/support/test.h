/* SPDX-License-Identifier: Apache-2.0 */
/* cmocka with the headers it wants, in the order it wants them. */
#ifndef AXI_TEST_H
#define AXI_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
