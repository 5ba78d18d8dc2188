// What the fuzzer's bytes are read as: values for the members of an operation's shape, as the
// tables have them. Without bytes every required member gets a value that is likely to be right, so
// that each byte that is there changes one thing.
#ifndef MF_FUZZ_FRONT_VALUE_H
#define MF_FUZZ_FRONT_VALUE_H

#include "api/api.h"

// ---- bytes; 0 when there are none left ----
typedef struct front_bytes {
  const uint8_t *data;
  size_t len, at;
} front_bytes;
uint8_t front_byte(front_bytes *in);
uint16_t front_two(front_bytes *in);
mf_str front_text(front_bytes *in);  // so many as the next byte says

// One of n names by the number at: the one whose hash is the next on a ring. A name that comes or
// goes leaves the meaning of most numbers, and so of a corpus, as it was. front_number: one that
// means the name (seeds_front.py has the same function).
uint32_t front_choose(uint16_t at, const char *(*name)(const void *table, uint32_t i),
                      const void *table, uint32_t n);
uint16_t front_number(const char *name);

// ---- what earlier answers said: names, ARNs, revisions, tokens ----
enum { FRONT_KEPT = 96, FRONT_KEPT_BYTES = 700 };
typedef struct front_kept {
  char texts[FRONT_KEPT][FRONT_KEPT_BYTES];
  uint32_t n, next;
} front_kept;
void front_keep(front_kept *kept, mf_str text);
mf_str front_recall(const front_kept *kept, uint8_t at);  // 0: the latest; "" when there is none

// ---- values ----
typedef enum front_kind { FRONT_ABSENT, FRONT_TEXT, FRONT_RAW, FRONT_LIST, FRONT_MAP } front_kind;
typedef struct front_value {
  const char *name;  // the member's, NULL: a map's, see key
  mf_str key;
  const mf_field *field;
  front_kind kind;
  mf_str text;                       // as it is, not escaped; RAW: JSON
  struct front_value *first, *next;  // of a list or map; its neighbour
} front_value;

typedef struct front_source {
  front_bytes *in;
  const front_kept *kept;
  mf_arena *arena;
} front_source;
// A value for each member of the shape, in its order; absent ones too.
front_value *front_values(front_source *from, const mf_shape *shape);

void front_write_json(mf_buf *out, const front_value *members);
void front_write_form(mf_buf *out, const front_value *members);  // "&Name.member.1=…"
mf_str front_plain(const front_value *value, mf_arena *arena);   // for a path, a query or a header
#endif
