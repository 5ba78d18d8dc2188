// The canonical forms of a request that AWS Signature Version 4 signs. Pure functions of the request's raw parts.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
#ifndef MF_WIRE_CANONICAL_H
#define MF_WIRE_CANONICAL_H

#include "wire.h"

// Percent-decodes text into the arena ('+' stays; a '%' without two hex digits stays). NULL data: the arena is full.
mf_str mf_percent_decode(mf_arena *arena, mf_str text);
// Appends text with every byte but A-Z a-z 0-9 - . _ ~ (and '/' if keep_slash) as %XX.
void mf_percent_encode(mf_buf *out, mf_str text, bool keep_slash);

// A parameter of a raw query string, name and value still encoded.
typedef struct mf_query_pair {
  mf_str name, value;
} mf_query_pair;
// Cuts the next pair off *query; false: none is left. Empty pairs ("a&&b") are passed over.
bool mf_query_next(mf_str *query, mf_query_pair *pair);

// The path: for s3 decoded and encoded once, for every other service its dot segments and repeated slashes removed and then
// encoded once more than it is in the request.
void mf_canonical_path(mf_buf *out, mf_str target, bool is_s3, mf_arena *arena);
// Parameters decoded, encoded in the one right way and sorted, without X-Amz-Signature. false: the arena is full.
bool mf_canonical_query(mf_buf *out, mf_str query, mf_arena *arena);
// "name:value\n" for each of the names in signed_headers ("host;x-amz-date"), values trimmed, inner blanks collapsed, several
// headers of one name joined by commas.
void mf_canonical_headers(mf_buf *out, const mf_sigv4_request *request, mf_str signed_headers);
// The value of the first header of that name, case ignored; "" if absent.
mf_str mf_header_find(const mf_header *headers, uint32_t n_headers, const char *name, size_t name_len);
#endif
