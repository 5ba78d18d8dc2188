// What the package compiler must know of the responder: how much memory it needs beside the
// engine's instance.
#ifndef MF_PIPELINE_RESPONDER_H
#define MF_PIPELINE_RESPONDER_H

#include "pipeline.h"

// Bytes that mf_responder_create needs at least for this image: its own tables, the instance's
// static part, and for models whose values have no fixed size `heap_bytes` of room for them.
uint64_t mf_responder_bytes(const mf_image *image, uint64_t heap_bytes);
#endif
