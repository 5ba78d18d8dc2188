// The hot path between payloads and tensors, reading. Writing is tensor_text.c.
#include "tensor_json.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

typedef struct reader reader;
typedef bool element_fn(reader *r, void *to);
struct reader {
  mf_json *json;
  const mf_tensor *target;
  element_fn *element;
  size_t element_bytes;
  char *next;
  mf_str input;
  mf_arena *texts;
  int64_t at[MF_MAX_RANK];  // index at each level
  uint32_t depth;
  int64_t row;  // in a list of rows, -1: no row
  mf_error *err;
};

// "[0][3]" for the levels entered so far, the row first.
static const char *place(const reader *r, uint32_t levels, char *text, size_t size) {
  size_t n = 0;
  text[0] = 0;
  if (r->row >= 0) n = (size_t)snprintf(text, size, "[%lld]", (long long)r->row);
  for (uint32_t i = 0; i < levels && n + 24 < size; i++)
    n += (size_t)snprintf(text + n, size - n, "[%lld]", (long long)r->at[i]);
  return text;
}

static bool unfit(reader *r, const char *what) {
  char where[256], found[24];
  const mf_json *json = r->json;
  size_t left = (size_t)(json->end - json->at), n = 0;
  while (n < left && n < sizeof found - 1 && !strchr(",]} \n\r\t", json->at[n]) &&
         (unsigned char)json->at[n] >= 32 && (unsigned char)json->at[n] < 127)
    n++;
  memcpy(found, json->at, n);
  found[n] = 0;
  bool whole = r->depth == 0 && r->row < 0;
  return mf_fail(r->err, MF_InvalidInput, "input '%.*s'%s%s: expected %s, found %s%s",
                 MF_STR_ARG(r->input), whole ? "" : " at ", place(r, r->depth, where, sizeof where),
                 what, n ? found : "the end of the payload", n == sizeof found - 1 ? "…" : "");
}

static bool read_number(reader *r, mf_decimal *number, const char *what) {
  mf_json_blank(r->json);
  const char *end = mf_decimal_read(r->json->at, r->json->end, number);
  if (!end) return unfit(r, what);
  return true;
}

// "NaN", "Infinity", "-Infinity", as JSON has no numbers for them.
static bool read_special(reader *r, double *value) {
  static const struct {
    const char *text;
    double value;
  } special[] = {{"\"NaN\"", (double)NAN},
                 {"\"Infinity\"", (double)INFINITY},
                 {"\"-Infinity\"", -(double)INFINITY}};
  for (size_t i = 0; i < MF_COUNT(special); i++) {
    if (!mf_json_word(r->json, special[i].text)) continue;
    *value = special[i].value;
    return true;
  }
  return false;
}

static bool out_of_range(reader *r) {
  char what[48];
  snprintf(what, sizeof what, "a value that fits %s", mf_type_name(r->target->type));
  return unfit(r, what);
}

static const char a_number[] = "a number (or \"NaN\", \"Infinity\", \"-Infinity\" in quotes)";

static bool read_float(reader *r, void *to) {
  mf_decimal number;
  double special;
  if (mf_json_peek(r->json) == '"' && read_special(r, &special))
    return *(float *)to = (float)special, true;
  if (!read_number(r, &number, a_number)) return false;
  float value = mf_decimal_float(&number);
  if (!isfinite(value)) return out_of_range(r);
  r->json->at += number.text.len;
  *(float *)to = value;
  return true;
}

static bool read_double(reader *r, void *to) {
  mf_decimal number;
  if (mf_json_peek(r->json) == '"' && read_special(r, to)) return true;
  if (!read_number(r, &number, a_number)) return false;
  double value = mf_decimal_double(&number);
  if (!isfinite(value)) return out_of_range(r);
  r->json->at += number.text.len;
  *(double *)to = value;
  return true;
}

// To float with the last bit set where something was cut off, so that rounding to half afterwards
// is rounding once.
static float round_to_odd(double value) {
  float narrow = (float)value;
  uint32_t bits;
  memcpy(&bits, &narrow, sizeof bits);
  if ((double)narrow == value || (bits & 1)) return narrow;
  bits += fabs((double)narrow) < fabs(value) ? 1 : UINT32_MAX;
  memcpy(&narrow, &bits, sizeof bits);
  return narrow;
}

static bool read_half(reader *r, void *to) {
  double value = 0;
  const char *before = r->json->at;
  if (!read_double(r, &value)) return false;
  uint16_t half =
      mf_float_to_half(fabs(value) > (double)FLT_MAX ? (float)value : round_to_odd(value));
  if (isfinite(value) && (half & 0x7c00) == 0x7c00) {
    r->json->at = before;
    return out_of_range(r);
  }
  *(uint16_t *)to = half;
  return true;
}

static bool store_integer(mf_type type, uint64_t magnitude, bool negative, void *to) {
  static const struct {
    uint64_t below, above;
  } range[] = {[MF_UINT8] = {0, UINT8_MAX},
               [MF_INT8] = {128, 127},
               [MF_UINT16] = {0, UINT16_MAX},
               [MF_INT16] = {32768, 32767},
               [MF_INT32] = {UINT64_C(1) << 31, INT32_MAX},
               [MF_INT64] = {UINT64_C(1) << 63, INT64_MAX},
               [MF_UINT32] = {0, UINT32_MAX},
               [MF_UINT64] = {0, UINT64_MAX}};
  if (magnitude > (negative ? range[type].below : range[type].above)) return false;
  uint64_t value = negative ? -magnitude : magnitude;
  memcpy(to, &value, mf_type_size(type));  // little-endian: the low bytes come first
  return true;
}

static bool read_integer(reader *r, void *to) {
  mf_decimal number;
  uint64_t magnitude;
  if (!read_number(r, &number, "an integer")) return false;
  if (!mf_decimal_integer(&number, &magnitude)) return unfit(r, "an integer of 64 bits");
  if (!store_integer(r->target->type, magnitude, number.negative, to)) return out_of_range(r);
  r->json->at += number.text.len;
  return true;
}

static bool read_bool(reader *r, void *to) {
  uint8_t *value = to;
  char c = mf_json_peek(r->json);
  if (c == 't' && mf_json_word(r->json, "true")) return *value = 1, true;
  if (c == 'f' && mf_json_word(r->json, "false")) return *value = 0, true;
  bool digit = c == '0' || c == '1';
  char next = digit && r->json->at + 1 < r->json->end ? r->json->at[1] : ',';
  if (!digit || !strchr(",]} \n\r\t", next)) return unfit(r, "true, false, 1 or 0");
  *value = c == '1';
  r->json->at++;
  return true;
}

static bool no_room_for_texts(reader *r) {
  return mf_fail(r->err, MF_OutOfMemory, "input '%.*s': no memory left for its texts",
                 MF_STR_ARG(r->input));
}

// {"b64": …}: a text of any bytes.
static bool read_bytes(reader *r, mf_str *to) {
  mf_json_text text;
  if (!mf_json_b64(r->json, &text, r->err)) return false;
  char *bytes = mf_arena_alloc_aligned(r->texts, mf_json_b64_bytes(&text), 1);
  if (!bytes) return no_room_for_texts(r);
  to->data = bytes;
  return mf_json_b64_decode(&text, (uint8_t *)bytes, &to->len, r->err);
}

static bool read_text(reader *r, void *to) {
  mf_json_text text;
  char c = mf_json_peek(r->json);
  if (c == '{') return read_bytes(r, to);
  if (c != '"') return unfit(r, "a text");
  if (!mf_json_string(r->json, &text, r->err)) return false;
  mf_str *value = to;
  *value = text.raw;
  if (!text.escaped) return true;
  char *copy = mf_arena_alloc_aligned(r->texts, text.raw.len, 1);
  if (!copy) return no_room_for_texts(r);
  *value = (mf_str){copy, mf_json_unescape(&text, copy)};
  return true;
}

static element_fn *element_of(mf_type type) {
  switch (type) {
    case MF_FLOAT: return read_float;
    case MF_DOUBLE: return read_double;
    case MF_FLOAT16: return read_half;
    case MF_STRING: return read_text;
    case MF_BOOL: return read_bool;
    case MF_UINT8:
    case MF_INT8:
    case MF_UINT16:
    case MF_INT16:
    case MF_INT32:
    case MF_INT64:
    case MF_UINT32:
    case MF_UINT64: return read_integer;
    default: return NULL;
  }
}

// The array at the cursor ended, or goes on, after `seen` elements instead of the expected number.
static bool ragged(reader *r, int64_t expected) {
  char where[256];
  int64_t seen = 0;
  mf_json rest = *r->json;
  uint32_t level = r->depth;
  for (seen = r->at[level]; mf_json_peek(&rest) != ']'; seen++) {
    if (!mf_json_skip(&rest, r->err)) return false;
    if (!mf_json_take(&rest, ',') && mf_json_peek(&rest) != ']')
      return mf_json_fail(&rest, "',' or ']'", r->err);
  }
  return mf_fail(r->err, MF_InvalidInput, "input '%.*s'%s%s has %lld element%s, expected %lld",
                 MF_STR_ARG(r->input), level || r->row >= 0 ? ": row " : "",
                 place(r, level, where, sizeof where), (long long)seen, seen == 1 ? "" : "s",
                 (long long)expected);
}

static bool open_array(reader *r) {
  if (mf_json_peek(r->json) == '[') return r->json->at++, true;
  char what[64];
  uint32_t more = r->target->rank - r->depth;
  snprintf(what, sizeof what, "an array (%u more level%s of them)", more, more == 1 ? "" : "s");
  return unfit(r, what);
}

static bool read_level(reader *r);

static bool read_rows(reader *r, int64_t n) {
  uint32_t level = r->depth++;
  bool innermost = r->depth == r->target->rank;
  for (int64_t i = 0; i < n; i++) {
    r->at[level] = i;
    bool more = mf_json_peek(r->json) != ']' && (i == 0 || mf_json_take(r->json, ','));
    if (!more) {
      r->depth = level;
      return ragged(r, n);
    }
    if (innermost ? !r->element(r, r->next) : !read_level(r)) return false;
    if (innermost) r->next += r->element_bytes;
  }
  r->depth = level;
  return true;
}

static bool read_level(reader *r) {
  if (r->depth == r->target->rank) return r->element(r, r->next);
  int64_t n = r->target->dims[r->depth];
  if (!open_array(r) || !read_rows(r, n)) return false;
  if (mf_json_take(r->json, ']')) return true;
  if (n > 0 && !mf_json_take(r->json, ',')) return mf_json_fail(r->json, "',' or ']'", r->err);
  r->at[r->depth] = n;
  return ragged(r, n);
}

bool mf_json_read_tensor(mf_json *json, const mf_tensor *target, mf_str input, int64_t row,
                         mf_arena *texts, mf_error *err) {
  reader r = {.json = json,
              .target = target,
              .element = element_of(target->type),
              .element_bytes = mf_type_size(target->type),
              .next = target->data,
              .input = input,
              .texts = texts,
              .row = row,
              .err = err};
  if (!r.element)
    return mf_fail(err, MF_InvalidInput, "input '%.*s' has a type that JSON cannot carry",
                   MF_STR_ARG(input));
  return read_level(&r);
}

uint32_t mf_json_rank(const mf_json *json) {
  mf_json probe = *json;
  uint32_t rank = 0;
  while (mf_json_take(&probe, '[')) rank++;
  return rank;
}

bool mf_json_measure(const mf_json *json, mf_str input, mf_json_shape *shape, mf_error *err) {
  mf_json probe = *json;
  *shape = (mf_json_shape){.rank = mf_json_rank(json)};
  if (shape->rank > MF_MAX_RANK)
    return mf_fail(err, MF_InvalidInput, "input '%.*s' has %u dimensions, at most %d are possible",
                   MF_STR_ARG(input), shape->rank, MF_MAX_RANK);
  for (uint32_t i = 0; i < shape->rank; i++) mf_json_take(&probe, '[');
  shape->empty = shape->rank > 0 && mf_json_peek(&probe) == ']';
  if (shape->rank > 0 && !shape->empty && !mf_json_skip(&probe, err)) return false;
  for (uint32_t level = shape->rank; level-- > 0;) {
    int64_t n = level == shape->rank - 1 && shape->empty ? 0 : 1;
    for (; mf_json_take(&probe, ','); n++)
      if (!mf_json_skip(&probe, err)) return false;
    if (!mf_json_take(&probe, ']')) return mf_json_fail(&probe, "',' or ']'", err);
    shape->dims[level] = n;
  }
  return true;
}
