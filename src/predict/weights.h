/* SPDX-License-Identifier: Apache-2.0 */
/* The learned predictor: a network of 24 inputs, two hidden layers (ReLU) and two outputs. Its
 * inputs are the recent course of the series, relative to the newest sample and to the scale of its
 * changes, and what Holt and RLS say with their recent errors; so one file serves series of any
 * range and any horizon. Format of the file: docs/formats/predictor.md. */
#ifndef AXI_PREDICT_WEIGHTS_H
#define AXI_PREDICT_WEIGHTS_H

#include "predict/predict.h"

#define AXI_LEARNED_INPUTS 24u
#define AXI_LEARNED_FIRST 32u
#define AXI_LEARNED_SECOND 16u
#define AXI_LEARNED_OUTPUTS 2u
#define AXI_LEARNED_WEIGHTS                                                                        \
    ((AXI_LEARNED_INPUTS + 1) * AXI_LEARNED_FIRST + (AXI_LEARNED_FIRST + 1) * AXI_LEARNED_SECOND + \
     (AXI_LEARNED_SECOND + 1) * AXI_LEARNED_OUTPUTS)
#define AXI_LEARNED_LIMIT 1000.0f /* magnitude of a weight */

#define AXI_WEIGHTS_NAME_BYTES 44u
#define AXI_WEIGHTS_HEADER_BYTES 96u
#define AXI_WEIGHTS_FILE_BYTES (AXI_WEIGHTS_HEADER_BYTES + 4u * AXI_LEARNED_WEIGHTS + 4u)

struct axi_predict_weights {
    char name[AXI_WEIGHTS_NAME_BYTES]; /* what it was trained on; printable ASCII */
    uint64_t samples, seed;            /* of the training */
    uint32_t series;
    float quantile; /* that the spread was trained for */
    /* per layer, per unit: bias, then one weight per input */
    float values[AXI_LEARNED_WEIGHTS];
};

/* Names the first thing that is wrong:
 * -AXC_EPREDICT_{TRUNCATED,MAGIC,VERSION,SIZE,SHAPE,CRC,VALUE}.
 */
AXC_MUST_USE int axi_weights_decode(const uint8_t *bytes, size_t count,
                                    struct axi_predict_weights *ret_weights);
void axi_weights_encode(const struct axi_predict_weights *weights,
                        uint8_t ret_bytes[AXI_WEIGHTS_FILE_BYTES]);
/* Also -AXC_EIO, -AXC_ENOENT, -AXC_EPERM. */
AXC_MUST_USE int axi_weights_load(const char *path, struct axi_predict_weights *ret_weights);
/* Those that are built in; borrowed, for ever. */
const struct axi_predict_weights *axi_weights_default(void);

/* ---- for predict.c and training ---- */

/* Returns the scale (> 0) that inputs and outputs are relative to. */
double axi_learned_inputs(const struct axi_predict *p, const struct axi_pending *said,
                          float ret_inputs[AXI_LEARNED_INPUTS]);
/* hidden: the layers' activations, for training; NULL otherwise. */
void axi_learned_run(const float *values, const float inputs[AXI_LEARNED_INPUTS],
                     float ret_hidden[AXI_LEARNED_FIRST + AXI_LEARNED_SECOND],
                     float ret_outputs[AXI_LEARNED_OUTPUTS]);
void axi_learned_ahead(const struct axi_predict *p, const struct axi_pending *said,
                       double *ret_mean, double *ret_spread);
/* log(1 + e^x): the spread from its output. */
float axi_learned_softplus(float x);

#endif
