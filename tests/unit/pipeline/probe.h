#ifndef PROBE_H
#define PROBE_H
#include "pipeline/decimal.h"
int probe_picture(int argc, char **argv);
int probe_answer(int argc, char **argv);
#endif
