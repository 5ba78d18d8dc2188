// jansson without memory: its parser says "invalid token" or drops characters from a string (and then writes past its buffers), and
// objects silently lack members. So its allocations are watched, and whoever stores or sends what was built with it asks first whether
// one has failed.
//
//   A piece of work (a request's handler, a callback of the store) calls mf_json_begin; mf_row_save and mf_respond_json refuse what
//   was built while memory was lost.
#ifndef MF_SERVICES_LAMBDA_MEMORY_H
#define MF_SERVICES_LAMBDA_MEMORY_H

#include "base/base.h"

bool mf_json_watch(mf_error *err) MF_MUST_CHECK;  // before the service uses jansson; again is no harm
uint64_t mf_json_failures(void);   // allocations that failed so far
void mf_json_begin(void);          // what failed before is no matter of the work that begins here
bool mf_json_lost(void);           // has one failed since then?
#endif
