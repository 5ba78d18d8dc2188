// A stand-in for the pipeline in tests of the host: the payload says what the worker does ("echo:text", "sleep:200", "crash", …; the list is
// at the top of fake.c), the image's text what happens when it is bound.
#ifndef FAKE_H
#define FAKE_H

#include "host/host.h"

extern const mf_host_functions fake_functions;
#endif
