// What IAM takes for a policy. Pure: nothing here knows requests or rows.
#ifndef MF_SERVICES_IAM_DOCUMENT_H
#define MF_SERVICES_IAM_DOCUMENT_H

#include "api/api.h"

typedef enum mf_document_kind {
  MF_DOCUMENT_MANAGED = 1,  // of CreatePolicy: must say that it is of 2012
  MF_DOCUMENT_INLINE = 2,   // of PutRolePolicy
  MF_DOCUMENT_TRUST = 4,    // who may assume a role
} mf_document_kind;
// false: *fault says why it is none, in IAM's words; nothing is judged when fault->failed (no memory). document NULL: the text was no JSON,
// or held a member twice.
bool mf_document_check(mf_document_kind kind, const json_t *document, mf_buf *fault) MF_MUST_CHECK;
#endif
