// The operators that pictures need; the table of them is mf_pipeline_operators (pipeline.h).
#ifndef MF_PIPELINE_PICTURE_OPS_H
#define MF_PIPELINE_PICTURE_OPS_H

#include "pipeline.h"
#include "resample.h"

enum { MF_MAX_SIDE = 16384, MF_DEFAULT_MAX_PIXELS = 64000000 };

bool mf_resample_named(mf_str name, mf_resample *filter);  // "bilinear"
const char *mf_resample_name(mf_resample filter);

extern const mf_operator mf_op_ImageToTensor;  // picture_tensor.c
#endif
