// Protobuf bytes to messages. protobuf-c recurses as deep as the bytes say, so nesting is measured first; its memory comes from the
// arena, whose limit bounds what a small hostile model can make of itself.
#include <stdio.h>

#include "onnx.h"

enum { MAX_NESTING = 100, MAX_VARINT_BYTES = 10 };

typedef struct reader {
  const uint8_t *at, *end;
} reader;

static bool read_varint(reader *r, uint64_t *value) {
  *value = 0;
  for (unsigned i = 0; i < MAX_VARINT_BYTES && r->at < r->end; i++) {
    uint8_t byte = *r->at++;
    *value |= (uint64_t)(byte & 127) << (7 * i);
    if (byte < 128) return true;
  }
  return false;
}

static bool skip(reader *r, uint64_t n) {
  if (n > (uint64_t)(r->end - r->at)) return false;
  r->at += n;
  return true;
}

static bool check_nesting(const ProtobufCMessageDescriptor *type, reader r, unsigned depth, const char **why) {
  if (depth > MAX_NESTING) return *why = "it is nested too deeply", false;
  while (r.at < r.end) {
    uint64_t tag, length;
    if (!read_varint(&r, &tag)) return false;
    switch (tag & 7) {
      case PROTOBUF_C_WIRE_TYPE_VARINT:
        if (!read_varint(&r, &length)) return false;
        break;
      case PROTOBUF_C_WIRE_TYPE_64BIT:
        if (!skip(&r, 8)) return false;
        break;
      case PROTOBUF_C_WIRE_TYPE_32BIT:
        if (!skip(&r, 4)) return false;
        break;
      case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED: {
        if (!read_varint(&r, &length)) return false;
        const uint8_t *start = r.at;
        if (!skip(&r, length)) return false;
        const ProtobufCFieldDescriptor *field =
            tag >> 3 <= UINT32_MAX ? protobuf_c_message_descriptor_get_field(type, (unsigned)(tag >> 3)) : NULL;
        if (field && field->type == PROTOBUF_C_TYPE_MESSAGE && !check_nesting(field->descriptor, (reader){start, r.at}, depth + 1, why))
          return false;
        break;
      }
      default: return false;
    }
  }
  return true;
}

typedef struct unpacking {
  mf_arena *arena;
  bool full;  // protobuf-c does not tell this from bytes that are wrong
} unpacking;

static void *arena_alloc(void *context, size_t size) {
  unpacking *u = context;
  // Tensor data are used where they lie, and the engine wants them on cache lines.
  void *memory = mf_arena_alloc_aligned(u->arena, size ? size : 1, size >= 64 ? 64 : 16);
  u->full |= !memory;
  return memory;
}

static void arena_free(void *context, void *pointer) { (void)context, (void)pointer; }

void *mf_onnx_unpack(const ProtobufCMessageDescriptor *type, mf_slice bytes, mf_arena *arena, mf_error *err) {
  const char *why = "it is damaged or something else";
  const uint8_t *data = bytes.data;
  if (!bytes.len) return mf_fail(err, MF_InvalidModel, "not an ONNX file: it is empty"), NULL;
  if (!check_nesting(type, (reader){data, data + bytes.len}, 0, &why))
    return mf_fail(err, MF_InvalidModel, "not an ONNX %s: %s", type->short_name, why), NULL;
  unpacking u = {.arena = arena};
  ProtobufCAllocator allocator = {arena_alloc, arena_free, &u};
  void *message = protobuf_c_message_unpack(type, &allocator, bytes.len, data);
  if (message) return message;
  if (u.full) mf_fail(err, MF_OutOfMemory, "the model is too large for the compiler's memory");
  else mf_fail(err, MF_InvalidModel, "not an ONNX %s: %s", type->short_name, why);
  return NULL;
}
