// A message is walked along its descriptor into a flat list of fields; a field's new bytes are then
// put into its parent, the parent's into its own parent, and so on to the top, each with its new
// length.
#include "mutate_proto.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FIELDS = 4096, MAX_DEPTH = 40, MAX_CONTENT = 1 << 16 };

size_t LLVMFuzzerMutate(uint8_t *data, size_t len, size_t capacity);

typedef struct field {
  const ProtobufCFieldDescriptor *row;
  uint32_t start, content, end;  // of the tag, of what follows tag and length, of all
  uint32_t parent;               // in the list; UINT32_MAX: the message itself
  uint32_t tag;
} field;

typedef struct walk {
  const uint8_t *data;
  field list[MAX_FIELDS];
  uint32_t n;
} walk;

static bool read_varint(const uint8_t *data, uint32_t *at, uint32_t end, uint64_t *value) {
  *value = 0;
  for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
    uint8_t byte = data[(*at)++];
    *value |= (uint64_t)(byte & 127) << shift;
    if (byte < 128) return true;
  }
  return false;
}

static uint32_t write_varint(uint8_t *out, uint64_t value) {
  uint32_t n = 0;
  for (; value > 127; value >>= 7) out[n++] = (uint8_t)(value | 128);
  out[n++] = (uint8_t)value;
  return n;
}

static bool walk_message(walk *w, const ProtobufCMessageDescriptor *type, uint32_t at, uint32_t end,
                         uint32_t parent, unsigned depth) {
  while (at < end && w->n < MAX_FIELDS) {
    uint64_t tag, length = 0;
    field f = {.start = at, .parent = parent};
    if (!read_varint(w->data, &at, end, &tag) || tag > UINT32_MAX) return false;
    f.tag = (uint32_t)tag;
    f.row = protobuf_c_message_descriptor_get_field(type, f.tag >> 3);
    f.content = at;
    switch (tag & 7) {
      case 0:
        if (!read_varint(w->data, &at, end, &length)) return false;
        break;
      case 1: at += 8; break;
      case 2:
        if (!read_varint(w->data, &at, end, &length) || length > end - at) return false;
        f.content = at;
        at += (uint32_t)length;
        break;
      case 5: at += 4; break;
      default: return false;
    }
    if (at > end) return false;
    f.end = at;
    uint32_t number = w->n++;
    w->list[number] = f;
    bool message = f.row && f.row->type == PROTOBUF_C_TYPE_MESSAGE && (tag & 7) == 2;
    if (message && depth < MAX_DEPTH &&
        !walk_message(w, f.row->descriptor, f.content, f.end, number, depth + 1))
      return false;
  }
  return true;
}

// data[from..to) gives way to `piece`; returns the new length, 0 if it does not fit.
static size_t splice(const uint8_t *data, size_t len, uint32_t from, uint32_t to,
                     const uint8_t *piece, size_t piece_len, uint8_t *out, size_t capacity) {
  size_t total = len - (to - from) + piece_len;
  if (total > capacity) return 0;
  memcpy(out, data, from);
  if (piece_len) memcpy(out + from, piece, piece_len);
  memcpy(out + from + piece_len, data + to, len - to);
  return total;
}

// The range of field `at` (or right behind it, if `behind`) is replaced by `piece`, and every
// message around it is written anew.
static size_t replace(const walk *w, size_t len, uint32_t at, bool behind, const uint8_t *piece,
                      size_t piece_len, uint8_t *out, size_t capacity) {
  static uint8_t held[2][MAX_CONTENT];
  unsigned turn = 0;
  uint32_t from = behind ? w->list[at].end : w->list[at].start, to = w->list[at].end;
  for (uint32_t up = w->list[at].parent; up != UINT32_MAX; up = w->list[up].parent, turn ^= 1) {
    const field *f = &w->list[up];
    size_t content_len = f->end - f->content - (to - from) + piece_len;
    if (content_len + 20 > MAX_CONTENT) return 0;
    uint8_t *held_now = held[turn];
    uint32_t head = write_varint(held_now, f->tag);
    head += write_varint(held_now + head, content_len);
    splice(w->data + f->content, f->end - f->content, from - f->content, to - f->content, piece,
           piece_len, held_now + head, MAX_CONTENT - head);
    piece = held_now;
    piece_len = head + content_len;
    from = f->start;
    to = f->end;
  }
  return splice(w->data, len, from, to, piece, piece_len, out, capacity);
}

static uint64_t interesting(uint64_t now, unsigned seed) {
  static const int64_t values[] = {0,  1,         2,         3,         4,         7,         8,
                                   9,  16,        255,       256,       65536,     -1,        -2,
                                   -9, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, UINT32_MAX};
  unsigned pick = seed % (sizeof values / sizeof *values + 6);
  if (pick < 2) return now + 1;
  if (pick < 4) return now - 1;
  if (pick < 5) return now * 2;
  if (pick < 6) return (uint64_t)1 << (seed / 32 % 64);
  return (uint64_t)values[pick - 6];
}

static size_t with_length(uint8_t *out, const field *f, const uint8_t *content, size_t len) {
  size_t head = write_varint(out, f->tag);
  head += write_varint(out + head, len);
  if (len) memcpy(out + head, content, len);
  return head + len;
}

static bool same_kind(const field *a, const field *b) {
  if (!a->row || !b->row || a->row->type != b->row->type || (a->tag & 7) != (b->tag & 7))
    return false;
  return a->row->type != PROTOBUF_C_TYPE_MESSAGE || a->row->descriptor == b->row->descriptor;
}

// A field of `from`, of the kind of field `at`; UINT32_MAX: none found.
static uint32_t find_kind(const walk *from, const field *at, unsigned seed) {
  for (uint32_t i = 0; i < from->n; i++) {
    uint32_t k = (seed + i) % from->n;
    if (same_kind(at, &from->list[k])) return k;
  }
  return UINT32_MAX;
}

// What field `f` becomes: a changed number, or content that libFuzzer changed. Lists of numbers are
// often packed.
static size_t change(const walk *w, const field *f, unsigned seed, uint8_t *piece,
                     size_t capacity) {
  uint32_t head = write_varint(piece, f->tag), at = f->content;
  uint64_t value;
  size_t len = f->end - f->content;
  if (len + 200 > capacity) return 0;
  switch (f->tag & 7) {
    case 0:
      if (!read_varint(w->data, &at, f->end, &value)) return 0;
      return head + write_varint(piece + head, interesting(value, seed));
    case 2: {
      static uint8_t content[MAX_CONTENT];
      memcpy(content, w->data + f->content, len);
      len = LLVMFuzzerMutate(content, len, len + 64);
      return with_length(piece, f, content, len);
    }
    default:
      memcpy(piece + head, w->data + f->content, len);
      LLVMFuzzerMutate(piece + head, len, len);
      return head + len;
  }
}

// A field's own tag, with what another of its kind contains.
static size_t transplant(const walk *from, const field *f, const field *donor, uint8_t *piece,
                         size_t capacity) {
  size_t len = donor->end - donor->content;
  if (len + 20 > capacity) return 0;
  if ((f->tag & 7) == 2) return with_length(piece, f, from->data + donor->content, len);
  size_t head = write_varint(piece, f->tag);
  memcpy(piece + head, from->data + donor->content, len);
  return head + len;
}

size_t mutate_proto(const ProtobufCMessageDescriptor *type, uint8_t *data, size_t len,
                    size_t capacity, unsigned seed) {
  static walk w;
  static uint8_t piece[MAX_CONTENT], out[1 << 20];
  w.n = 0;
  w.data = data;
  if (len > UINT32_MAX / 2 || !walk_message(&w, type, 0, (uint32_t)len, UINT32_MAX, 0) || !w.n)
    return 0;
  srand(seed);
  uint32_t at = (uint32_t)rand() % w.n;
  const field *f = &w.list[at];
  unsigned kind = (unsigned)rand() % 10;
  size_t n, limit = capacity < sizeof out ? capacity : sizeof out;
  if (kind == 0) {  // left out
    n = replace(&w, len, at, false, NULL, 0, out, limit);
  } else if (kind == 1) {  // doubled
    n = replace(&w, len, at, true, data + f->start, f->end - f->start, out, limit);
  } else if (kind < 6) {
    uint32_t other = find_kind(&w, f, (unsigned)rand());
    size_t piece_len =
        other == UINT32_MAX ? 0 : transplant(&w, f, &w.list[other], piece, sizeof piece);
    n = piece_len ? replace(&w, len, at, false, piece, piece_len, out, limit) : 0;
  } else {
    size_t piece_len = change(&w, f, (unsigned)rand(), piece, sizeof piece);
    n = piece_len ? replace(&w, len, at, false, piece, piece_len, out, limit) : 0;
  }
  if (n) memcpy(data, out, n);
  return n;
}

size_t cross_proto(const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t len,
                   const uint8_t *from, size_t from_len, uint8_t *out, size_t capacity,
                   unsigned seed) {
  static walk w, v;
  static uint8_t piece[MAX_CONTENT];
  w.n = v.n = 0;
  w.data = data;
  v.data = from;
  if (len > UINT32_MAX / 2 || from_len > UINT32_MAX / 2 ||
      !walk_message(&w, type, 0, (uint32_t)len, UINT32_MAX, 0) ||
      !walk_message(&v, type, 0, (uint32_t)from_len, UINT32_MAX, 0) || !w.n || !v.n)
    return 0;
  srand(seed);
  uint32_t at = (uint32_t)rand() % w.n, other = find_kind(&v, &w.list[at], (unsigned)rand());
  if (other == UINT32_MAX) return 0;
  size_t piece_len = transplant(&v, &w.list[at], &v.list[other], piece, sizeof piece);
  // Repeated messages (nodes, values, attributes) often come beside the old one instead.
  bool beside = w.list[at].row->label == PROTOBUF_C_LABEL_REPEATED && rand() % 2;
  return piece_len ? replace(&w, len, at, beside, piece, piece_len, out, capacity) : 0;
}
