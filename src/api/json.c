// Watching jansson's memory. The only state here: jansson's hooks take no context. One thread, the
// loop's, uses jansson.
//
// jansson 2.14 must not be refused memory at all: its lexer ignores that a buffer could not grow (load.c, lex_save) and writes past
// another one that it measures by it. So what malloc refuses comes out of a reserve, the work goes on, and its result is thrown away.
// The reserve is front's alone (part of the program's own data, every blank worker would have touched it beforehand) and takes no memory
// while it is not used; a request's JSON is at most 1 MB, which parses into less than sixteen times that.
#include "api.h"

#include <stdlib.h>
#include <sys/mman.h>


enum { RESERVE_BYTES = 16 << 20 };

static uint64_t failures, mark;
static struct {
  char *bytes;
  size_t used, live;  // bytes; pieces that have not been given back
} reserve;

static void *from_reserve(size_t size) {
  const size_t rounded = (size + 15) & ~(size_t)15;
  if (rounded < size || rounded > RESERVE_BYTES - reserve.used) {
    mf_log(MF_LOG_ERROR, "no memory for JSON, and the reserve is used up");
    abort();  // better than what jansson would do; the keeper starts front again
  }
  void *piece = reserve.bytes + reserve.used;
  reserve.used += rounded;
  reserve.live++;
  return piece;
}

static void *watched_malloc(size_t size) {
  void *memory = malloc(size);
  if (memory) return memory;
  failures++;
  return from_reserve(size);
}

static void watched_free(void *memory) {
  if ((char *)memory < reserve.bytes || (char *)memory >= reserve.bytes + RESERVE_BYTES) {
    free(memory);
  } else if (--reserve.live == 0) {
    reserve.used = 0;
  }
}

bool mf_json_watch(mf_error *err) {
  if (reserve.bytes) return true;
  void *memory = mmap(NULL, RESERVE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return mf_fail_errno(err, "no addresses for a reserve of memory");
  reserve.bytes = memory;
  json_set_alloc_funcs(watched_malloc, watched_free);
  return true;
}
uint64_t mf_json_failures(void) { return failures; }
void mf_json_begin(void) { mark = failures; }
bool mf_json_lost(void) { return failures != mark; }

const char *mf_json_problem(const json_error_t *problem) {
  return json_error_code(problem) == json_error_null_character ? "\\u0000 is not allowed in a string" : problem->text;
}

char *mf_json_text(const json_t *value) {
  const size_t flags = JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15);  // 0.2 as "0.2"
  const size_t size = json_dumpb(value, NULL, 0, flags);
  char *text = size > 0 ? malloc(size + 1) : NULL;
  if (!text || json_dumpb(value, text, size, flags) != size) {
    free(text);
    return NULL;
  }
  text[size] = 0;
  return text;
}
