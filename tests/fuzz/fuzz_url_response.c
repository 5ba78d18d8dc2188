// What a hostile function answers, as front reads it: whatever comes of it must be an HTTP response whose headers break no line.
#include <stdlib.h>
#include <string.h>

#include "services/lambda/url_response.h"

static void must(bool ok) {
  if (!ok) abort();
}

static bool is_clean(const char *text, size_t len) {
  for (size_t i = 0; i < len; i++)
    if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) return false;
  return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mf_arena arena;
  mf_url_response r;
  size_t header_bytes = 0;
  char *answer = malloc(size ? size : 1);  // of its own size, so that reading beyond the end is seen
  must(answer != NULL);
  if (size > 0) memcpy(answer, data, size);
  mf_arena_init(&arena, 0);
  if (mf_url_response_read((mf_slice){answer, size}, &arena, &r)) {
    must(r.status >= 200 && r.status < 600 && r.n_headers > 0 && r.n_headers <= MF_URL_HEADERS + 1);
    for (uint32_t i = 0; i < r.n_headers; i++) {
      const size_t name = strlen(r.headers[i].name);
      must(name > 0 && is_clean(r.headers[i].name, name) && !memchr(r.headers[i].name, ':', name));
      must(is_clean(r.headers[i].value.data, r.headers[i].value.len));
      header_bytes += name + r.headers[i].value.len;
    }
    must(header_bytes <= MF_URL_HEADER_BYTES + 64 && r.body.len <= size);
  }
  mf_arena_deinit(&arena);
  free(answer);
  return 0;
}
