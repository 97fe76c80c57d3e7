/* SPDX-License-Identifier: Apache-2.0 */
#define NAME "loop"
#define MISBEHAVE                                                                                  \
    while (zero == 0) {                                                                            \
    }
#include "faulty.h"
