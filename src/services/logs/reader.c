#include "reader.h"

enum { STAMP = 25, SAMPLE = 32 << 10 };

static bool digits(const char *text, int n, int *out) {
  *out = 0;
  for (int i = 0; i < n; i++) {
    if (text[i] < '0' || text[i] > '9') return false;
    *out = *out * 10 + text[i] - '0';
  }
  return true;
}

// Of the Gregorian calendar; years begin in March, so that the day that a leap year adds is the last one. (timegm takes longer than all the
// rest of a line.)
static int64_t days_since_1970(int year, int month, int day) {
  static const int before[] = {306, 337, 0, 31, 61, 92, 122, 153, 184, 214, 245, 275};
  const int64_t y = month < 3 ? year - 1 : year;
  return y * 365 + y / 4 - y / 100 + y / 400 + before[month - 1] + day - 1 - 719468;
}

// "2026-11-25T10:00:00.000Z "
static bool take_time(mf_str line, int64_t *ms) {
  int year, month, day, hour, minute, second, millisecond;
  const char *s = line.data;
  if (line.len < STAMP || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' || s[19] != '.' || s[23] != 'Z' || s[24] != ' ' ||
      !digits(s, 4, &year) || !digits(s + 5, 2, &month) || !digits(s + 8, 2, &day) || !digits(s + 11, 2, &hour) ||
      !digits(s + 14, 2, &minute) || !digits(s + 17, 2, &second) || !digits(s + 20, 3, &millisecond))
    return false;
  if (month < 1 || month > 12) return false;
  *ms = (((days_since_1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1000 + millisecond;
  return true;
}

void mf_log_reader_init(mf_log_reader *reader, mf_store *store, mf_str key, char *buffer, const mf_log_segment *segment, uint64_t position) {
  *reader = (mf_log_reader){.store = store, .key = key, .buffer = buffer, .position = position, .end = segment->position + segment->bytes,
                            .last_ms = segment->started_ns / MF_NS_PER_MS};
}

// What is left of the buffer goes to its beginning, and more of the log behind it.
static bool refill(mf_log_reader *r) {
  const size_t left = r->len - r->used;
  const uint64_t from = r->position + left;
  if (from >= r->end || left == MF_LOG_PIECE) return false;
  memmove(r->buffer, r->buffer + r->used, left);
  const size_t room = (size_t)MF_MIN((uint64_t)(MF_LOG_PIECE - left), r->end - from);
  const size_t got = mf_store_log_read(r->store, r->key, from, r->buffer + left, room);
  r->used = 0;
  r->len = left + got;
  r->read_bytes += got;
  return got > 0;
}

bool mf_log_reader_next(mf_log_reader *r, mf_log_line *line) {
  const char *newline;
  while (!(newline = r->len > r->used ? memchr(r->buffer + r->used, '\n', r->len - r->used) : NULL) && refill(r)) {}
  mf_str text = {r->buffer + r->used, newline ? (size_t)(newline - r->buffer) - r->used : r->len - r->used};
  if (!newline && text.len == 0) return false;
  const size_t step = text.len + (newline ? 1 : 0);
  *line = (mf_log_line){.position = r->position, .next = r->position + step};
  r->used += step;
  r->position += step;
  if (take_time(text, &r->last_ms)) text = (mf_str){text.data + STAMP, text.len - STAMP};
  line->time_ms = r->last_ms;
  line->text = text;
  return true;
}

// The first line with a time that begins behind the position and before the limit.
static bool sample(mf_store *store, mf_str key, char *buffer, uint64_t position, uint64_t limit, uint64_t *at, int64_t *time_ms) {
  const size_t len = mf_store_log_read(store, key, position, buffer, (size_t)MF_MIN((uint64_t)SAMPLE, limit - position));
  mf_str rest = {buffer, len};
  for (const char *newline; rest.len > 0 && (newline = memchr(rest.data, '\n', rest.len));) {
    const size_t step = (size_t)(newline - rest.data) + 1;
    rest = (mf_str){rest.data + step, rest.len - step};
    *at = position + (uint64_t)(rest.data - buffer);
    if (take_time(rest, time_ms)) return true;
  }
  return false;
}

uint64_t mf_log_seek(mf_store *store, mf_str key, char *buffer, const mf_log_segment *segment, int64_t time_ms) {
  uint64_t low = segment->position, high = segment->position + segment->bytes, at = low;
  int64_t found;
  if (segment->written_ns / MF_NS_PER_MS + 1 < time_ms) return high;
  while (high - low > 2 * SAMPLE) {
    const uint64_t middle = low + (high - low) / 2;
    if (!sample(store, key, buffer, middle, high, &at, &found)) break;
    if (found < time_ms) low = at;
    else high = middle;
  }
  mf_log_reader reader;
  mf_log_line line;
  mf_log_reader_init(&reader, store, key, buffer, segment, low);
  while (mf_log_reader_next(&reader, &line) && line.time_ms < time_ms) low = line.next;
  return low;
}

bool mf_log_last_time(mf_store *store, mf_str key, char *buffer, const mf_log_segment *segment, int64_t *time_ms) {
  const uint64_t end = segment->position + segment->bytes;
  const size_t len = mf_store_log_read(store, key, end - MF_MIN((uint64_t)SAMPLE, segment->bytes), buffer, SAMPLE);
  mf_str rest = {buffer, len};
  bool found = segment->bytes <= SAMPLE && take_time(rest, time_ms);
  for (const char *newline; rest.len > 0 && (newline = memchr(rest.data, '\n', rest.len));) {
    const size_t step = (size_t)(newline - rest.data) + 1;
    rest = (mf_str){rest.data + step, rest.len - step};
    found |= take_time(rest, time_ms);
  }
  return found;
}
