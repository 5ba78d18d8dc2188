// multipart/form-data (RFC 7578): the file in a form that a browser sent.
#ifndef MF_PIPELINE_MULTIPART_H
#define MF_PIPELINE_MULTIPART_H

#include "base/base.h"

// The bytes of the first part that is a file and is not empty, within the body. InvalidInput where the form breaks the rules or has
// none.
bool mf_multipart_file(mf_slice body, mf_str content_type, mf_slice *file, mf_error *err) MF_MUST_CHECK;
#endif
