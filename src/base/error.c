// Building, wrapping and naming errors. The list itself is errors.def.
#include "error.h"

#undef mf_fail
#undef mf_fail_errno
#undef mf_wrap

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
  const char *name;
  const char *advice;
} codes[MF_CODE_COUNT] = {
#define MF_ERROR(name, advice) {#name, advice},
#include "errors.def"
#undef MF_ERROR
};

bool mf_fail(mf_error *err, mf_code code, const char *format, ...) {
  err->code = code;
  va_list args;
  va_start(args, format);
  vsnprintf(err->message, sizeof err->message, format, args);
  va_end(args);
  return false;
}

static mf_code code_of_errno(int number) {
  switch (number) {
    case ENOSPC:
    case EFBIG:  // RLIMIT_FSIZE
    case EDQUOT: return MF_NoSpace;
    case EACCES:
    case EPERM: return MF_Permission;
    case ENOMEM: return MF_OutOfMemory;
    default: return MF_Io;
  }
}

bool mf_fail_errno(mf_error *err, const char *format, ...) {
  int number = errno;
  err->code = code_of_errno(number);
  va_list args;
  va_start(args, format);
  vsnprintf(err->message, sizeof err->message, format, args);
  va_end(args);
  size_t used = strlen(err->message);
  snprintf(err->message + used, sizeof err->message - used, ": %s", strerror(number));
  return false;
}

// What does not fit goes from the middle: the outermost place and the reason, which stands last, are what a reader needs.
static void append_inner(mf_error *err, const char *inner) {
  static const char between[] = ": ", cut[] = ": ... ";
  const size_t used = strlen(err->message), len = strlen(inner), room = sizeof err->message - used;
  if (len + sizeof between <= room) {
    snprintf(err->message + used, room, "%s%s", between, inner);
  } else if (room > sizeof cut) {
    const char *tail = inner + len - (room - sizeof cut);
    while (((unsigned char)*tail & 0xc0) == 0x80) tail++;  // within a character of UTF-8
    snprintf(err->message + used, room, "%s%s", cut, tail);
  }
}

bool mf_wrap(mf_error *err, const char *format, ...) {
  char inner[sizeof err->message];
  memcpy(inner, err->message, sizeof inner);
  va_list args;
  va_start(args, format);
  vsnprintf(err->message, sizeof err->message, format, args);
  va_end(args);
  append_inner(err, inner);
  return false;
}

static size_t index_of(mf_code code) {
  return (size_t)code < MF_CODE_COUNT ? (size_t)code : (size_t)MF_Internal;
}

const char *mf_code_name(mf_code code) { return codes[index_of(code)].name; }
const char *mf_code_advice(mf_code code) { return codes[index_of(code)].advice; }
