// Decoding and storing run on the store's threads; between the steps we are on the loop.
#include "package.h"


#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LINK_SECONDS = 600, ZIP_END_BYTES = 65557 };  // end record and the longest comment (APPNOTE.TXT §4.3.16)

uint64_t mf_package_zipped_limit(const mf_lambda *lambda) {
  uint64_t unzipped = lambda->env.max_package_bytes;
  return unzipped > MF_DEFAULT_UNZIPPED ? MF_MAX(unzipped, (uint64_t)MF_ZIPPED_LIMIT) : MF_ZIPPED_LIMIT;
}

void mf_package_free(mf_package_put *put) {
  if (!put) return;
  put->lambda->storing--;
  json_decref(put->body);
  mf_upload_close(&put->upload);
  mf_close(&put->fd);
  free(put->key);
  free(put);
}

bool mf_package_check_code(mf_operation_call *call, const json_t *code) {
  const char *bucket = json_string_value(json_object_get(code, "S3Bucket"));
  const char *problem = NULL;
  if (json_object_get(code, "ImageUri"))
    problem = call->operation->handle == mf_handle_CreateFunction ? "PackageType Image is not supported by this version of Mayfly"
                                                                  : "Please don't provide ImageUri when updating a function with packageType Zip.";
  else if (bucket)
    problem = "Error occurred while GetObject. S3 Error Code: NoSuchBucket. S3 Error Message: The specified bucket does not exist";
  else if (!call->upload->text || call->upload->text_len == 0)
    problem = "Please provide the function's code as ZipFile: a zip that holds a model.";
  if (problem) {
    mf_refuse(call->http, 400, "InvalidParameterValueException", "%s", problem);
    return false;
  }
  uint64_t limit = mf_package_zipped_limit(call->lambda);
  if (mf_upload_bytes(call->upload) <= limit) return true;
  mf_refuse(call->http, 413, "RequestEntityTooLargeException", "Zipped size must be smaller than %" PRIu64 " bytes", limit);
  return false;
}

static mf_package_put *new_put(mf_lambda *lambda, mf_http_request *http, const char *key) {
  mf_package_put *put = calloc(1, sizeof *put);
  char *copy = strdup(key);
  mf_reply *reply = put && copy ? mf_reply_defer(http) : NULL;
  if (!reply) {
    if (!put || !copy) mf_refuse_no_memory(http);
    free(put);
    free(copy);
    return NULL;
  }
  *put = (mf_package_put){.lambda = lambda, .reply = reply, .fd = -1, .key = copy};
  lambda->storing++;
  return put;
}

static void fail(mf_package_put *put, const mf_error *err) {
  if (err->code == MF_InvalidRequest) mf_reply_refuse(put->reply, 400, "InvalidParameterValueException", "%s", err->message);
  else mf_reply_error(put->reply, err);
  mf_package_free(put);
}

// Enough to tell a zip from anything else; whether it can be unzipped is found out in the compiler's sandbox.
static bool is_zip(int fd, uint64_t bytes) {
  unsigned char head[4], tail[ZIP_END_BYTES];
  size_t n = (size_t)MF_MIN(bytes, (uint64_t)ZIP_END_BYTES);
  bool ok = pread(fd, head, 4, 0) == 4 && pread(fd, tail, n, (off_t)(bytes - n)) == (ssize_t)n;
  return ok && head[0] == 'P' && head[1] == 'K' && memmem(tail, n, "PK\5\6", 4) != NULL;
}

static void blob_stored(void *context, const mf_blob_id *id, uint64_t bytes, const mf_error *err) {
  mf_package_put *put = context;
  mf_json_begin();
  if (err) {
    fail(put, err);
    return;
  }
  put->id = *id;
  put->bytes = bytes;
  put->stored(put);
}

void mf_package_store(mf_package_put *put) {
  mf_error err;
  struct stat st;
  if (put->must_be_zip && (fstat(put->fd, &st) != 0 || !is_zip(put->fd, (uint64_t)st.st_size))) {
    mf_reply_refuse(put->reply, 400, "InvalidParameterValueException",
                    "Could not unzip uploaded file. Please check your file, then try to upload again.");
    mf_package_free(put);
  } else if (!mf_store_blob_put(put->lambda->env.store, put->fd, blob_stored, put, &err)) {
    fail(put, &err);
  }
}

static bool decode(void *context, mf_error *err) {
  mf_package_put *put = context;
  return mf_upload_decode(&put->upload, put->fd, err);
}

static void decoded(void *context, const mf_error *err) {
  mf_package_put *put = context;
  mf_json_begin();
  mf_upload_close(&put->upload);
  if (err) fail(put, err);
  else mf_package_store(put);
}

bool mf_package_begin(mf_operation_call *call, bool is_update, void (*stored)(mf_package_put *put)) {
  mf_error err;
  mf_package_put *put = new_put(call->lambda, call->http, call->key.data);
  if (!put) return false;
  put->stored = stored;
  put->must_be_zip = true;
  put->is_update = is_update;
  put->dry_run = json_is_true(json_object_get(call->body, "DryRun"));
  put->body = json_incref(call->body);
  bool ok = mf_upload_move(call->upload, &put->upload) || mf_fail(&err, MF_OutOfMemory, "no memory for the package");
  ok = ok && mf_store_temporary(call->lambda->env.store, &put->fd, &err) &&
       mf_store_run(call->lambda->env.store, decode, decoded, put, &err);
  if (!ok) fail(put, &err);
  return ok;
}

bool mf_package_begin_raw(mf_lambda *lambda, mf_http_request *http, const char *key, mf_package_put **out) {
  mf_error err;
  int fd;
  uint64_t len;
  mf_slice body = mf_request_body(http, &fd, &len);
  mf_package_put *put = *out = new_put(lambda, http, key);
  if (!put) return false;
  bool ok;
  if (fd >= 0) ok = (put->fd = dup(fd)) >= 0 || mf_fail_errno(&err, "cannot keep the package");
  else ok = mf_store_temporary(lambda->env.store, &put->fd, &err) && mf_write_all(put->fd, body.data, body.len, "data directory", &err);
  if (!ok) fail(put, &err);
  return ok;
}

// ---- download ----
// The link carries its own right: an HMAC over the blob's name and the time, by a key that lives as long as the server.
static void sign_link(const mf_lambda *lambda, const char *hex, long long expires, char out[MF_SHA256_HEX + 1]) {
  char text[128];
  uint8_t digest[MF_SHA256_BYTES];
  int len = snprintf(text, sizeof text, "%s %lld", hex, expires);
  mf_hmac_sha256((mf_slice){lambda->download_key, sizeof lambda->download_key}, (mf_slice){text, (size_t)len}, digest);
  mf_hex(digest, sizeof digest, out);
}

json_t *mf_package_location(mf_operation_call *call, const json_t *package) {
  char signature[MF_SHA256_HEX + 1];
  const char *hex = json_string_value(package);
  mf_str host = mf_request_header(call->http, "host");
  long long expires = (long long)time(NULL) + LINK_SECONDS;
  if (!hex || host.len == 0) return json_pack("{s:s}", "RepositoryType", "S3");
  sign_link(call->lambda, hex, expires, signature);
  char *url = mf_str_format(call->arena, "%s://%.*s/_mayfly/packages/%s?expires=%lld&signature=%s", call->lambda->env.scheme,
                            MF_STR_ARG(host), hex, expires, signature);
  return json_pack("{s:s,s:s}", "RepositoryType", "S3", "Location", url ? url : "");
}

static bool link_is_good(const mf_lambda *lambda, mf_http_request *http, const char *hex) {
  bool has_expires, has_signature;
  char expected[MF_SHA256_HEX + 1];
  mf_str expires = mf_request_parameter(http, "expires", &has_expires), signature = mf_request_parameter(http, "signature", &has_signature);
  if (!has_expires || !has_signature || signature.len != MF_SHA256_HEX) return false;
  const char *text = mf_str_format(mf_request_arena(http), "%.*s", MF_STR_ARG(expires));
  if (!text) return false;
  long long until = strtoll(text, NULL, 10);
  sign_link(lambda, hex, until, expected);
  return mf_equal_constant_time(signature.data, expected, MF_SHA256_HEX) && until >= (long long)time(NULL);
}

typedef struct mapping {
  void *data;
  size_t len;
} mapping;

static void unmap(void *context) {
  mapping *m = context;
  munmap(m->data, m->len);
  free(m);
}

static void send_blob(mf_http_request *http, int fd) {
  static const mf_header type = {"Content-Type", {"application/zip", 15}};
  struct stat st;
  mapping *m = malloc(sizeof *m);
  if (!m) {
    mf_refuse_no_memory(http);
    return;
  }
  if (fstat(fd, &st) != 0 || st.st_size == 0) {
    free(m);
    mf_refuse(http, 500, "ServiceException", "the package cannot be read");
    return;
  }
  m->len = (size_t)st.st_size;
  m->data = mmap(NULL, m->len, PROT_READ, MAP_SHARED, fd, 0);
  if (m->data == MAP_FAILED) {
    mf_refuse(http, 500, "ServiceException", "the package cannot be read: %s", strerror(errno));
    free(m);
    return;
  }
  mf_respond(http, 200, &type, 1, (mf_slice){m->data, m->len}, unmap, m);
}

void mf_package_download(mf_http_request *http, const mf_principal *principal, void *context) {
  (void)principal;
  mf_lambda *lambda = context;
  mf_error err;
  mf_blob_id id;
  OWN_FD int fd = -1;
  mf_str target = mf_request_target(http);
  mf_str hex = {target.data + target.len - MF_MIN(target.len, (size_t)MF_SHA256_HEX), MF_MIN(target.len, (size_t)MF_SHA256_HEX)};
  char *text = mf_str_format(mf_request_arena(http), "%.*s", MF_STR_ARG(hex));
  if (hex.len != MF_SHA256_HEX || !mf_unhex(hex, id.sha256) || !text || !link_is_good(lambda, http, text))
    mf_refuse(http, 403, "AccessDeniedException", "The link is wrong or has expired: ask GetFunction for a new one");
  else if (!mf_store_blob_open(lambda->env.store, &id, &fd, &err))
    mf_refuse(http, 404, "ResourceNotFoundException", "The package is no longer there");
  else send_blob(http, fd);
}
