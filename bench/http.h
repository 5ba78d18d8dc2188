// bench: what the load client and the echo server share.
#ifndef MF_BENCH_HTTP_H
#define MF_BENCH_HTTP_H
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static inline void die(const char *what) {
  perror(what);
  exit(1);
}
#endif
