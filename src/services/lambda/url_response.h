// What a function answered, as the HTTP response that it stands for (payload format 2.0, lambda.md section 6). The bytes come from the
// function and are trusted in nothing: of an object with "statusCode" each header's name and value is checked, whatever breaks a rule
// makes the whole answer unusable.
#ifndef MF_SERVICES_LAMBDA_URL_RESPONSE_H
#define MF_SERVICES_LAMBDA_URL_RESPONSE_H

#include "wire/wire.h"

enum { MF_URL_HEADERS = 100, MF_URL_HEADER_BYTES = 10240 };

typedef struct mf_url_response {
  int status;          // 200 to 599
  mf_header *headers;  // in the arena, with one content-type at least
  uint32_t n_headers;
  mf_slice body;       // in the arena, or a part of the answer
} mf_url_response;

// false: unusable, or no memory.
bool mf_url_response_read(mf_slice answer, mf_arena *arena, mf_url_response *response) MF_MUST_CHECK;
#endif
