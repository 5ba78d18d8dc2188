// Functions' logs. DIR/logs/<region>/<name>/<position>-<started>.log: text files; <position> is the number of bytes that were ever
// logged before the file's first, so that a reader's position outlives rotation. A segment ends at segment_bytes or after a day;
// older segments go when they are together more than segment_bytes or were last written max_age_ns ago.
//
// A call's text is cut to call_bytes and a line to line_bytes (the cut is said in the text). What is shown has its control characters
// escaped: mf_store_logs_tail and _since turn every one but newline and tab into \xNN, the files hold the bytes as they came.
#ifndef MF_STORE_LOG_H
#define MF_STORE_LOG_H

#include "base/base.h"
#include "store.h"
#include "thread.h"

typedef struct mf_log_limits {
  uint64_t segment_bytes;   // 16 MiB
  int64_t segment_ns;       // a day
  int64_t max_age_ns;       // 14 days
  uint32_t call_bytes;      // 256 KiB
  uint32_t line_bytes;      // 16 KiB
  uint32_t pending_bytes;   // 4 MiB: a function's text that waits for the disk; more is dropped, and how much is said
} mf_log_limits;
extern const mf_log_limits mf_log_default_limits;

typedef struct mf_store_logs mf_store_logs;
mf_store_logs *mf_store_logs_create(int directory_fd, mf_loop *loop, const mf_log_limits *limits, mf_error *err) MF_MUST_CHECK;
void mf_store_logs_destroy(mf_store_logs *logs);  // writes what is pending
void mf_store_logs_finish(mf_store_logs *logs);   // on the loop, when woken
void mf_store_logs_add(mf_store_logs *logs, mf_str function, mf_str text);
bool mf_store_logs_tail(mf_store_logs *logs, mf_str function, size_t limit_bytes, mf_arena *arena, mf_str *text, mf_error *err)
    MF_MUST_CHECK;
bool mf_store_logs_since(mf_store_logs *logs, mf_str function, uint64_t *position, size_t limit_bytes, mf_arena *arena, mf_str *text,
                         mf_error *err) MF_MUST_CHECK;
// As store.h says.
uint32_t mf_store_logs_segments(mf_store_logs *logs, mf_str function, mf_log_segment segments[MF_MAX_LOG_SEGMENTS], uint32_t *retention_days);
size_t mf_store_logs_read(mf_store_logs *logs, mf_str function, uint64_t position, char *out, size_t capacity);
void mf_store_logs_remove(mf_store_logs *logs, mf_str function, uint64_t position);
bool mf_store_logs_retain(mf_store_logs *logs, mf_str function, uint32_t days, mf_error *err) MF_MUST_CHECK;
#endif
