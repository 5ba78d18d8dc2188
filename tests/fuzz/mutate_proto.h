// Mutations of protobuf messages that stay protobuf: one field is changed, doubled, left out or
// replaced by one of its own kind, and the lengths of all messages around it are made right again.
// Bytes that are no such message are left to libFuzzer.
#ifndef TESTS_FUZZ_MUTATE_PROTO_H
#define TESTS_FUZZ_MUTATE_PROTO_H

#include <protobuf-c/protobuf-c.h>

// Both return the new length in `out`/`data`, at most `capacity`; 0: nothing could be done.
size_t mutate_proto(const ProtobufCMessageDescriptor *type, uint8_t *data, size_t len,
                    size_t capacity, unsigned seed);
// A field of `from` takes the place of one of its kind in `data`.
size_t cross_proto(const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t len,
                   const uint8_t *from, size_t from_len, uint8_t *out, size_t capacity,
                   unsigned seed);
#endif
