// Errors are built once, where they happen, and wrapped with the place on their way up:
//
//   bool image_open(..., mf_error *err) {
//     if (size < sizeof header) return mf_fail(err, MF_InvalidImage, "image is %zu bytes, expected at least %zu", ...);
//     if (!read_nodes(..., err)) return mf_wrap(err, "image '%s'", name);
//
// A function that can fail returns bool (true = done) or a pointer (NULL = failed) and takes `mf_error *err` last; err may not
// be NULL. On success *err is left alone.
#ifndef MF_BASE_ERROR_H
#define MF_BASE_ERROR_H

#include <stdbool.h>
#include <stdnoreturn.h>

#define MF_MUST_CHECK __attribute__((warn_unused_result))
#define MF_PRINTF(format_at, first) __attribute__((format(printf, format_at, first)))

typedef enum mf_code {
#define MF_ERROR(name, advice) MF_##name,
#include "errors.def"
#undef MF_ERROR
  MF_CODE_COUNT
} mf_code;

typedef struct mf_error {
  mf_code code;
  char message[1024];
} mf_error;

// Fills *err and returns false, so that a failing function can end in `return mf_fail(...)`.
bool mf_fail(mf_error *err, mf_code code, const char *format, ...) MF_PRINTF(3, 4);
// Like mf_fail, and appends ": " and the text of errno. ENOSPC/EDQUOT/EFBIG become MF_NoSpace, EACCES/EPERM MF_Permission,
// ENOMEM MF_OutOfMemory, everything else MF_Io.
bool mf_fail_errno(mf_error *err, const char *format, ...) MF_PRINTF(2, 3);
// Puts "<format>: " before the message there is and returns false; the code stays.
bool mf_wrap(mf_error *err, const char *format, ...) MF_PRINTF(2, 3);
#ifdef __clang_analyzer__  // it sees one file at a time, and would follow paths on which these return true
#define mf_fail(...) ((void)(mf_fail)(__VA_ARGS__), false)
#define mf_fail_errno(...) ((void)(mf_fail_errno)(__VA_ARGS__), false)
#define mf_wrap(...) ((void)(mf_wrap)(__VA_ARGS__), false)
#endif

const char *mf_code_name(mf_code code);       // "InvalidModel"
const char *mf_code_advice(mf_code code);     // what the user can do
#endif
