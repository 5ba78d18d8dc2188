// base: what every other module stands on. Errors, strings, arenas, descriptors, clocks, hashes, logging, the event loop.
// Include this header and none of its parts from outside the module.
#ifndef MF_BASE_H
#define MF_BASE_H

#include "arena.h"
#include "clock.h"
#include "error.h"
#include "fd.h"
#include "hash.h"
#include "log.h"
#include "loop.h"
#include "str.h"

#define MF_VERSION "0.1.0"
#define MF_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MF_MIN(a, b) ((a) < (b) ? (a) : (b))
#define MF_MAX(a, b) ((a) > (b) ? (a) : (b))

#endif
