// What an answer must be, whatever was asked: of a form that clients can read, and with no error
// but those that AWS documents for the operation (botocore's models) and those that any operation
// can give. Everything else is a finding, and ends the fuzzer.
#ifndef MF_FUZZ_FRONT_CHECK_H
#define MF_FUZZ_FRONT_CHECK_H

#include "front_request.h"

void front_check(const front_asked *asked, const world_answer *answer, mf_arena *arena);
// Names, ARNs, tokens and the like of an answer, for the requests to come; and credentials, when it
// holds some.
void front_learn(const world_answer *answer, front_kept *kept, front_credentials *session);
#endif
