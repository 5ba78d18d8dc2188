// Writing: Schubfach (R. Giulietti, "The Schubfach way to render doubles", 2020). Reading:
// Eisel-Lemire (D. Lemire, "Number parsing at a gigabyte per second", 2021), with strtod as the
// judge where 19 digits do not decide. Both stand on one table of 128-bit powers of ten, which the
// build makes.
#include "decimal.h"

#include <stdio.h>
#include <stdlib.h>

#include "powers_of_ten.h"

typedef unsigned __int128 u128;

static const char two_digits[] =
    "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546"
    "4748495051525354555657585960"
    "616263646566676869707172737475767778798081828384858687888990919293949596979899";

// ---- writing ----

static size_t count_digits(uint64_t value) {
  size_t n = 1;
  for (; value >= 10000; value /= 10000) n += 4;
  return n + (value >= 10) + (value >= 100) + (value >= 1000);
}

static void put_digits(uint64_t value, size_t n, char *out) {
  for (; n >= 2; value /= 100) memcpy(out + (n -= 2), two_digits + 2 * (value % 100), 2);
  if (n) out[0] = (char)('0' + value);
}

size_t mf_integer_text(uint64_t magnitude, bool negative, char *out) {
  out[0] = '-';
  size_t n = count_digits(magnitude);
  put_digits(magnitude, n, out + negative);
  return n + negative;
}

static size_t put_scientific(char *out, size_t n, int exponent) {
  if (n > 1) {
    memmove(out + 2, out + 1, n - 1);
    out[1] = '.';
    n++;
  }
  out[n++] = 'e';
  out[n++] = exponent < 0 ? '-' : '+';
  uint64_t magnitude = (uint64_t)(exponent < 0 ? -exponent : exponent);
  size_t width = MF_MAX(count_digits(magnitude), (size_t)2);
  put_digits(magnitude, width, out + n);
  return n + width;
}

// Lays out digits * 10^exponent as Python's repr does: plain between 1e-4 and 1e16, always with a
// point or an exponent.
static size_t lay_out(uint64_t digits, int exponent, char *out) {
  while (digits % 10 == 0 && digits) {
    digits /= 10;
    exponent++;
  }
  size_t n = count_digits(digits);
  int point = (int)n + exponent;  // digits before the point
  if (point > 16 || point < -3) {
    put_digits(digits, n, out);
    return put_scientific(out, n, point - 1);
  }
  if (point <= 0) {
    size_t zeros = (size_t)-point;
    memcpy(out, "0.0000", 2 + zeros);
    put_digits(digits, n, out + 2 + zeros);
    return 2 + zeros + n;
  }
  put_digits(digits, n, out);
  size_t before = (size_t)point;
  if (before < n) {
    memmove(out + before + 1, out + before, n - before);
    out[before] = '.';
    return n + 1;
  }
  memset(out + n, '0', before - n);
  memcpy(out + before, ".0", 2);
  return before + 2;
}

static int floor_log2_pow10(int k) { return (k * 1741647) >> 19; }

static uint64_t scale_single(int k, uint64_t boundary) {
  uint64_t g = powers[k - FIRST_POWER].high + (powers[k - FIRST_POWER].low != 0);
  u128 p = (u128)g * boundary;
  return (uint64_t)(p >> 64) |
         ((uint32_t)(p >> 32) > 1);  // round to odd: what was cut off leaves its mark
}

static uint64_t scale_double(int k, uint64_t boundary) {
  u128 low = (u128)powers[k - FIRST_POWER].low * boundary;
  u128 high = (u128)powers[k - FIRST_POWER].high * boundary + (uint64_t)(low >> 64);
  return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

// The shortest decimal in the interval that rounds to c * 2^q (figure 4 of the paper); closest to
// the value where several are.
static uint64_t shortest(uint64_t c, int q, bool lower_is_closer, uint64_t (*scale)(int, uint64_t),
                         int *exponent) {
  int k = (q * 1262611 - (lower_is_closer ? 524031 : 0)) >> 22;
  int h = q + floor_log2_pow10(-k) + 1;
  uint64_t lower = scale(-k, (4 * c - 2 + lower_is_closer) << h) + (c & 1);
  uint64_t value = scale(-k, (4 * c) << h);
  uint64_t upper = scale(-k, (4 * c + 2) << h) - (c & 1);
  uint64_t s = value / 4;
  *exponent = k + 1;
  if (s >= 10) {
    uint64_t tens = s / 10;
    bool below = lower <= 40 * tens, above = 40 * tens + 40 <= upper;
    if (below != above) return tens + above;
  }
  *exponent = k;
  bool below = lower <= 4 * s, above = 4 * s + 4 <= upper;
  if (below != above) return s + above;
  return s + (value > 4 * s + 2 || (value == 4 * s + 2 && (s & 1)));
}

static size_t put_zero(bool negative, char *out) {
  memcpy(out, "-0.0", 4);
  if (!negative) memcpy(out, "0.0", 3);
  return 3 + negative;
}

size_t mf_float_text(float value, char *out) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  bool negative = bits >> 31;
  uint32_t biased = bits >> 23 & 255, fraction = bits & 0x7fffff;
  if (biased == 0 && fraction == 0) return put_zero(negative, out);
  out[0] = '-';
  uint32_t c = biased ? fraction | 0x800000 : fraction;
  int q = (int)(biased ? biased : 1) - 150, exponent = 0;
  if (q <= 0 && q > -24 && (c & ((1u << -q) - 1)) == 0)
    return negative + lay_out(c >> -q, 0, out + negative);
  uint64_t digits = shortest(c, q, fraction == 0 && biased > 1, scale_single, &exponent);
  return negative + lay_out(digits, exponent, out + negative);
}

size_t mf_double_text(double value, char *out) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  bool negative = bits >> 63;
  uint64_t biased = bits >> 52 & 2047, fraction = bits & ((UINT64_C(1) << 52) - 1);
  if (biased == 0 && fraction == 0) return put_zero(negative, out);
  out[0] = '-';
  uint64_t c = biased ? fraction | UINT64_C(1) << 52 : fraction;
  int q = (int)(biased ? biased : 1) - 1075, exponent = 0;
  if (q <= 0 && q > -53 && (c & ((UINT64_C(1) << -q) - 1)) == 0)
    return negative + lay_out(c >> -q, 0, out + negative);
  uint64_t digits = shortest(c, q, fraction == 0 && biased > 1, scale_double, &exponent);
  return negative + lay_out(digits, exponent, out + negative);
}

// ---- reading ----

static bool is_digit(char c) { return (unsigned char)(c - '0') < 10; }

// Digits and exponent again, for a number of more than 19 digits: the first 19 that count.
static void read_many_digits(mf_decimal *d, const char *p, const char *end) {
  int seen = 0, dropped = 0, after_point = 0;
  bool fraction = false;
  d->digits = 0;
  for (; p < end && (is_digit(*p) || *p == '.'); p++) {
    if (*p == '.') {
      fraction = true;
      continue;
    }
    if (seen == 19) {
      d->truncated |= *p != '0';
      if (dropped < 100000000 && !fraction) dropped++;
      continue;
    }
    d->digits = d->digits * 10 + (uint64_t)(*p - '0');
    if (d->digits) seen++;
    if (fraction && after_point < 100000000) after_point++;
  }
  d->exponent += dropped - after_point;
}

// The exponent part at p, if there is one; NULL when it is malformed. Clamped far outside of what
// any type holds.
static const char *read_exponent(const char *p, const char *end, int32_t *exponent) {
  *exponent = 0;
  if (p == end || (*p | 32) != 'e') return p;
  bool negative = ++p < end && *p == '-';
  if (p < end && (*p == '-' || *p == '+')) p++;
  if (p == end || !is_digit(*p)) return NULL;
  int32_t value = 0;
  for (; p < end && is_digit(*p); p++)
    if (value < 100000000) value = value * 10 + (*p - '0');
  *exponent = negative ? -value : value;
  return p;
}

const char *mf_decimal_read(const char *p, const char *end, mf_decimal *out) {
  const char *start = p;
  bool negative = p < end && *p == '-';
  p += negative;
  const char *first = p;
  uint64_t digits = 0;
  for (; p < end && is_digit(*p); p++) digits = digits * 10 + (uint64_t)(*p - '0');
  ptrdiff_t n = p - first, after_point = 0;
  if (n == 0 || (*first == '0' && n > 1)) return NULL;
  if (p < end && *p == '.') {
    const char *point = p++;
    for (; p < end && is_digit(*p); p++) digits = digits * 10 + (uint64_t)(*p - '0');
    after_point = p - point - 1;
    if (after_point == 0) return NULL;
  }
  const char *mantissa_end = p;
  *out = (mf_decimal){.digits = digits, .negative = negative};
  p = read_exponent(p, end, &out->exponent);
  if (!p) return NULL;
  out->text = (mf_str){start, (size_t)(p - start)};
  if (n + after_point > 19)
    read_many_digits(out, first, mantissa_end);
  else
    out->exponent -= (int32_t)after_point;
  return p;
}

typedef struct format {               // of a binary floating-point type
  int mantissa_bits, bias, infinite;  // explicit bits; exponent bias; exponent of infinity
  int smallest, largest;              // powers of ten beyond which 64-bit digits give 0 or infinity
  int even_from, even_to;  // powers of ten for which a value halfway between two is possible
} format;
static const format single = {23, 127, 255, -65, 38, -17, 10},
                    twice = {52, 1023, 2047, -342, 308, -4, 23};

static u128 multiply(uint64_t w, int q, int precision) {
  uint64_t high = powers[q - FIRST_POWER].high, low = powers[q - FIRST_POWER].low;
  if (q > 55)
    high -= low-- == 0;  // the table rounds up; the algorithm wants positive powers cut off (up to
                         // 10^55 they are exact)
  u128 product = (u128)w * high;
  uint64_t mask = UINT64_MAX >> precision;
  if (((uint64_t)(product >> 64) & mask) == mask) product += (uint64_t)(((u128)w * low) >> 64);
  return product;
}

// Bits (without sign) of the value of type f nearest to w * 10^q.
static uint64_t nearest(const format *f, uint64_t w, int64_t q) {
  if (w == 0 || q < f->smallest) return 0;
  if (q > f->largest) return (uint64_t)f->infinite << f->mantissa_bits;
  int lz = __builtin_clzll(w);
  u128 product = multiply(w << lz, (int)q, f->mantissa_bits + 3);
  uint64_t high = (uint64_t)(product >> 64), low = (uint64_t)product;
  int top = (int)(high >> 63), shift = top + 64 - f->mantissa_bits - 3;
  uint64_t mantissa = high >> shift;
  int power = (((152170 + 65536) * (int)q) >> 16) + 63 + top - lz + f->bias;
  if (power <= 0) {  // subnormal; no ties here
    if (-power + 1 >= 64) return 0;
    mantissa >>= -power + 1;
    return (mantissa + (mantissa & 1)) >>
           1;  // a carry into the exponent's field is the right answer
  }
  bool tie = low <= 1 && q >= f->even_from && q <= f->even_to && (mantissa & 3) == 1 &&
             mantissa << shift == high;
  if (tie) mantissa &= ~UINT64_C(1);
  mantissa = (mantissa + (mantissa & 1)) >> 1;
  if (mantissa >> (f->mantissa_bits + 1)) {
    mantissa >>= 1;
    power++;
  }
  if (power >= f->infinite) return (uint64_t)f->infinite << f->mantissa_bits;
  return (mantissa & ((UINT64_C(1) << f->mantissa_bits) - 1)) | (uint64_t)power << f->mantissa_bits;
}

// For strtod: at most 800 digits, the last of which stands for all that were cut off (no value of a
// double needs more than 767).
static void normalise(const mf_decimal *d, char *out, size_t size) {
  enum { KEPT = 800 };
  size_t n = 0;
  int64_t exponent = 0;
  bool point = false, rest = false;
  const char *p = d->text.data + d->negative, *end = d->text.data + d->text.len;
  for (; p < end && (is_digit(*p) || *p == '.'); p++) {
    if (*p == '.') {
      point = true;
    } else if (n < KEPT) {
      if (n > 0 || *p != '0') out[n++] = *p;
      exponent -= point;
    } else {
      rest |= *p != '0';
      exponent += !point;
    }
  }
  int32_t written = 0;
  if (!read_exponent(p, end, &written)) written = 0;
  if (rest) {
    out[n++] = '1';
    exponent--;
  }
  snprintf(out + n, size - n, "e%lld", (long long)(exponent + written));
}

static uint64_t bits_of(const mf_decimal *d, const format *f) {
  uint64_t bits = nearest(f, d->digits, d->exponent);
  if (!d->truncated || nearest(f, d->digits + 1, d->exponent) == bits) return bits;
  char text[900];
  normalise(d, text, sizeof text);
  if (f == &single) {
    float value = strtof(text, NULL);
    uint32_t narrow;
    memcpy(&narrow, &value, sizeof narrow);
    return narrow;
  }
  double value = strtod(text, NULL);
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

float mf_decimal_float(const mf_decimal *d) {
  uint32_t bits = (uint32_t)bits_of(d, &single) | (uint32_t)d->negative << 31;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

double mf_decimal_double(const mf_decimal *d) {
  uint64_t bits = bits_of(d, &twice) | (uint64_t)d->negative << 63;
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static bool plain_integer(const char *p, const char *end, uint64_t *value) {
  *value = 0;
  for (; p < end; p++)
    if (__builtin_mul_overflow(*value, 10, value) ||
        __builtin_add_overflow(*value, (uint64_t)(*p - '0'), value))
      return false;
  return true;
}

bool mf_decimal_integer(const mf_decimal *d, uint64_t *magnitude) {
  const char *p = d->text.data + d->negative, *end = d->text.data + d->text.len, *q = p;
  while (q < end && is_digit(*q)) q++;
  if (q == end) return plain_integer(p, end, magnitude);
  uint64_t value = d->digits;
  int32_t exponent = value ? d->exponent : 0;
  if (d->truncated || exponent > 19) return false;
  for (; exponent > 0; exponent--)
    if (__builtin_mul_overflow(value, 10, &value)) return false;
  for (; exponent < 0; exponent++) {
    if (value % 10) return false;
    value /= 10;
  }
  *magnitude = value;
  return true;
}
