// Packages on their way into the store, and on their way back out (GetFunction's Code.Location).
#ifndef MF_SERVICES_LAMBDA_PACKAGE_H
#define MF_SERVICES_LAMBDA_PACKAGE_H

#include "internal.h"
#include "upload.h"

// A package being stored. The request may end meanwhile; everything needed is here.
typedef struct mf_package_put {
  mf_lambda *lambda;
  mf_reply *reply;
  json_t *body;             // the request's members; NULL for our own path
  mf_upload upload;
  int fd;                   // spooled package
  bool must_be_zip;
  bool is_update, dry_run;
  uint32_t memory_mb, timeout_s;  // of our own path; 0: not told
  mf_blob_id id;
  uint64_t bytes;
  void (*stored)(struct mf_package_put *put);  // the blob is on disk; answers, and frees the put
  char *key;                // "region/name"
} mf_package_put;

// false: an answer was sent. Takes the call's upload and a reference of its body.
bool mf_package_begin(mf_operation_call *call, bool is_update, void (*stored)(mf_package_put *put));
// The whole body is the package (our own path).
bool mf_package_begin_raw(mf_lambda *lambda, mf_http_request *http, const char *key, mf_package_put **put);
void mf_package_store(mf_package_put *put);
void mf_package_free(mf_package_put *put);
// false: an answer was sent, because Code names something we cannot get.
bool mf_package_check_code(mf_operation_call *call, const json_t *code);

// The commit of a row with new code, between its start and its end.
typedef struct mf_code_change {
  mf_package_put *put;
  json_t *row, *answer;
  int status;
} mf_code_change;
mf_code_change *mf_code_change_new(mf_package_put *put, json_t *row, int status, json_t *answer);  // NULL: an answer was sent
void mf_code_change_free(mf_code_change *change);
void mf_create_row(mf_package_put *put, json_t *row, int status);  // takes both
void mf_update_row(mf_package_put *put, json_t *row);              // takes both
json_t *mf_new_row(const json_t *body, const mf_blob_id *package, uint64_t bytes, mf_str name);
void mf_set_code(json_t *row, const mf_blob_id *package, uint64_t bytes);
bool mf_package_publishes(const mf_package_put *put);              // the request says Publish
// The function's row, and in the same commit that of the version that it becomes, which may be NULL.
bool mf_save_with_version(mf_package_put *put, json_t *row, json_t *version, mf_store_done *done, void *context, mf_error *err);
bool mf_is_busy(const json_t *row);
void mf_refuse_busy(mf_package_put *put);

uint64_t mf_package_zipped_limit(const mf_lambda *lambda);

json_t *mf_package_location(mf_operation_call *call, const json_t *package);
void mf_package_download(mf_http_request *http, const mf_principal *principal, void *context);
#endif
