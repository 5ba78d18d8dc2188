// Decimal text of floating-point numbers, both ways and exact: what is written is the shortest text
// that reads back the same (laid out as Python's repr does), what is read is rounded correctly.
// Both are on the hot path of every invocation.
#ifndef MF_PIPELINE_DECIMAL_H
#define MF_PIPELINE_DECIMAL_H

#include "base/base.h"

enum { MF_NUMBER_TEXT = 32 };  // room that every function below needs at most

// Finite values only; they return the length and write no NUL.
size_t mf_float_text(float value, char *out);
size_t mf_double_text(double value, char *out);
size_t mf_integer_text(uint64_t magnitude, bool negative, char *out);

// A number of JSON (RFC 8259 §6): (-1)^negative * digits * 10^exponent. `truncated`: there were
// more than 19 significant digits.
typedef struct mf_decimal {
  uint64_t digits;
  int32_t exponent;
  bool negative, truncated;
  mf_str text;
} mf_decimal;

// Returns where the number ends, NULL if there is none at p.
const char *mf_decimal_read(const char *p, const char *end, mf_decimal *out);
// Nearest value, ties to even; infinite when it is out of range.
float mf_decimal_float(const mf_decimal *decimal);
double mf_decimal_double(const mf_decimal *decimal);
// The exact value of a number that is an integer however it is written ("3", "3.0", "3e2"); false
// if it is none or beyond 64 bits.
bool mf_decimal_integer(const mf_decimal *decimal, uint64_t *magnitude);
#endif
