/* SPDX-License-Identifier: Apache-2.0 */
/* The weights that are built in: src/predict/default.axpw, made by
 * `axcan train --simulate --without modes --without heavy -o default.axpw` (seed 1). */
#include "predict/weights.h"

extern const uint8_t axi_default_weights[AXI_WEIGHTS_FILE_BYTES];

const struct axi_predict_weights *axi_weights_default(void)
{
    static struct axi_predict_weights weights;
    static bool is_decoded;

    if (!is_decoded && axi_weights_decode(axi_default_weights, AXI_WEIGHTS_FILE_BYTES, &weights)) {
        return NULL;
    }
    is_decoded = true;
    return &weights;
}
