// A package inside a request body. The base64 text of Code.ZipFile (CreateFunction) or ZipFile (UpdateFunctionCode) is found by a small
// scanner and cut out unread: what is left is under 1 MB and goes to the JSON parser, the text is decoded on the store's thread.
#ifndef MF_SERVICES_LAMBDA_UPLOAD_H
#define MF_SERVICES_LAMBDA_UPLOAD_H

#include "wire/wire.h"

typedef struct mf_upload {
  const char *body;          // the whole body, in memory or mapped
  size_t body_len;
  bool mapped, owned;        // how the body is given back
  const char *text;          // the package's base64 text in it, without quotes; NULL: there is none
  size_t text_len;
} mf_upload;

// `rest`: the body with the package's text replaced by an empty string; in the request's arena. Fails when it is not JSON as far as the
// scanner sees or when the rest is over 1 MB.
bool mf_upload_open(mf_upload *upload, mf_http_request *http, bool inside_code, mf_str *rest, mf_error *err) MF_MUST_CHECK;
// Takes over what decoding needs, to outlive the request.
bool mf_upload_move(mf_upload *from, mf_upload *to);
void mf_upload_close(mf_upload *upload);
// The length of the decoded package, from the text's length.
uint64_t mf_upload_bytes(const mf_upload *upload);
// Decodes into fd. Any thread.
bool mf_upload_decode(const mf_upload *upload, int fd, mf_error *err) MF_MUST_CHECK;

// For tests: where the string value of the member is. inside: the object it stands in at the top level ("Code") or NULL.
bool mf_scan_member(mf_str json, const char *inside, const char *member, mf_str *value, bool *found);
#endif
