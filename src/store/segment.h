// The files of one function's log (log.h says how they are named). Knows nothing of buffers and threads.
#ifndef MF_STORE_SEGMENT_H
#define MF_STORE_SEGMENT_H

#include "log.h"

typedef struct mf_segment {
  uint64_t position, bytes;
  int64_t started_ns, written_ns;  // wall clock
  char name[48];
} mf_segment;
enum { MF_MAX_SEGMENTS = 64 };

// Where text is appended. Zeroed with fd -1: not open.
typedef struct mf_segment_writer {
  int fd;
  uint64_t position, bytes;
  int64_t started_ns;
} mf_segment_writer;

// Path of the function's directory below logs/: each part made safe for a file system.
bool mf_segment_directory(mf_str function, char *path, size_t capacity);
// Oldest first; returns the number (0 when there is no log).
uint32_t mf_segment_list(int logs_fd, const char *directory, mf_segment segments[MF_MAX_SEGMENTS]);
bool mf_segment_append(mf_segment_writer *writer, int logs_fd, const char *directory, mf_str text, const mf_log_limits *limits,
                       mf_error *err) MF_MUST_CHECK;
void mf_segment_close(mf_segment_writer *writer);
// Up to capacity bytes from the position on, across segments; returns the length.
size_t mf_segment_read(int logs_fd, const char *directory, uint64_t position, char *out, size_t capacity);
void mf_segment_remove_old(int logs_fd, const char *directory, const mf_log_limits *limits);
// Removes the segment at the position, or all of them and the directory (UINT64_MAX).
void mf_segment_remove(int logs_fd, const char *directory, uint64_t position);
// How long this log's segments are kept, in days, is the name of an empty file, "keep-30", so that whoever sweeps sees it. 0: the default.
uint32_t mf_segment_retention(int logs_fd, const char *directory);
bool mf_segment_retain(int logs_fd, const char *directory, uint32_t days, mf_error *err) MF_MUST_CHECK;
// Removes what is too old of every function and directories that became empty.
void mf_segment_sweep(int logs_fd, const mf_log_limits *limits);
#endif
