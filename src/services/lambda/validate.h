// Checks a request against its table and says what is wrong in AWS's words.
#ifndef MF_SERVICES_LAMBDA_VALIDATE_H
#define MF_SERVICES_LAMBDA_VALIDATE_H

#include <jansson.h>

#include "base/base.h"
#include "shapes.h"

typedef struct mf_violations {
  uint32_t count;
  mf_buf text;         // "Value '…' at '…' failed to satisfy constraint: …; …"
  bool wrong_type;     // a member of the wrong JSON type: `text` is then the message, and the code SerializationException
  bool out_of_memory;  // some rule could not be checked
  const char *unsupported;  // the name of a member that we refuse
} mf_violations;

// Value of a member that does not stand in the body (path, query, header). NULL data: absent, which a required one may not be.
void mf_validate_text(const mf_field *field, mf_str value, mf_violations *violations);
// The body's members. Members that the table does not have are ignored, as AWS does; null means absent.
void mf_validate_body(const mf_shape *shape, const json_t *body, mf_violations *violations);
const mf_field *mf_shape_field(const mf_shape *shape, const char *name);
bool mf_value_is_listed(const char *values, mf_str value);
#endif
