// Lines of a log, read piece by piece. Each begins with its time, "2026-11-25T10:00:00.000Z "; one that does not takes the time of the
// line before it.
#ifndef MF_SERVICES_LOGS_READER_H
#define MF_SERVICES_LOGS_READER_H

#include "store/store.h"

typedef struct mf_log_line {
  uint64_t position, next;   // where it begins and the next one begins
  int64_t time_ms;           // since 1970
  mf_str text;               // without time and newline; in the reader's buffer until the next call
} mf_log_line;

typedef struct mf_log_reader {
  mf_store *store;
  mf_str key;
  uint64_t position, end;    // of what was not read yet
  int64_t last_ms;
  char *buffer;              // MF_LOG_PIECE bytes of the caller's
  size_t used, len;          // of the buffer
  uint64_t read_bytes;       // so far, so that a request has its limit
} mf_log_reader;
enum { MF_LOG_PIECE = 128 << 10 };  // longer than any line

// Lines of the segment from the position on, which is a line's beginning.
void mf_log_reader_init(mf_log_reader *reader, mf_store *store, mf_str key, char *buffer, const mf_log_segment *segment, uint64_t position);
bool mf_log_reader_next(mf_log_reader *reader, mf_log_line *line);
// The beginning of the first line of that time or later, supposed that times ascend; the segment's end when there is none. Halves the
// segment until a piece is left: what lies before is earlier for certain, the lines that follow may be too.
uint64_t mf_log_seek(mf_store *store, mf_str key, char *buffer, const mf_log_segment *segment, int64_t time_ms);
// The time of the segment's last line; false: it has none.
bool mf_log_last_time(mf_store *store, mf_str key, char *buffer, const mf_log_segment *segment, int64_t *time_ms);
#endif
