// Forms that browsers send, and everything that only looks like one: the Content-Type is the first line, the rest is the body. A file
// that is found lies within the body.
#include <stdlib.h>
#include <string.h>

#include "pipeline/multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mf_error err = {.message = ""};
  mf_slice file = {0};
  const uint8_t *end = size > 0 ? memchr(data, '\n', size) : NULL;
  if (!end) return 0;
  const size_t type_len = (size_t)(end - data), len = size - type_len - 1;
  char *type = malloc(type_len + 1), *body = malloc(len ? len : 1);  // of their own sizes, so that reading beyond them is seen
  if (!type || !body) abort();
  memcpy(type, data, type_len);
  memcpy(body, end + 1, len);
  if (mf_multipart_file((mf_slice){body, len}, (mf_str){type, type_len}, &file, &err)) {
    const char *from = file.data;
    if (file.len == 0 || from < body || from + file.len > body + len) abort();
  } else if (err.message[0] == 0) {
    abort();
  }
  free(type);
  free(body);
  return 0;
}
