/* SPDX-License-Identifier: Apache-2.0 */
#define NAME "null"
#define MISBEHAVE *(volatile int *)(uintptr_t)zero = 1
#include "faulty.h"
