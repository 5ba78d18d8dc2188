// Signed requests through libcurl. The library is loaded when the first request is sent and not linked: the server is this same
// program, and libcurl's thirty libraries would cost every fork of its keeper about 40 us and both its processes 2 MB (measured).
#include <curl/curl.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "wire/wire.h"

static struct {
  CURL *(*init)(void);
  CURLcode (*set)(CURL *, CURLoption, ...);
  CURLcode (*perform)(CURL *);
  CURLcode (*info)(CURL *, CURLINFO, ...);
  void (*cleanup)(CURL *);
  struct curl_slist *(*append)(struct curl_slist *, const char *);
  void (*free_list)(struct curl_slist *);
} curl;

static bool load_curl(mf_error *err) {
  if (curl.init) return true;
  void *library = dlopen("libcurl-gnutls.so.4", RTLD_NOW | RTLD_LOCAL);
  if (!library) return mf_fail(err, MF_Io, "the client needs libcurl (apt-get install libcurl3-gnutls): %s", dlerror());
  const struct {
    const char *name;
    void *where;
  } names[] = {{"curl_easy_setopt", &curl.set},     {"curl_easy_perform", &curl.perform},  {"curl_easy_getinfo", &curl.info},
               {"curl_easy_cleanup", &curl.cleanup}, {"curl_slist_append", &curl.append},   {"curl_slist_free_all", &curl.free_list},
               {"curl_easy_init", &curl.init}};
  for (size_t i = 0; i < MF_COUNT(names); i++) {
    void *symbol = dlsym(library, names[i].name);
    if (!symbol) return mf_fail(err, MF_Io, "libcurl has no %s", names[i].name);
    memcpy(names[i].where, &symbol, sizeof symbol);
  }
  return true;
}

// ---- one transfer ----

typedef struct transfer {
  const cli_request *request;
  cli_answer *answer;
  uint64_t sent;
  int64_t started_ns;
  char problem[CURL_ERROR_SIZE];
} transfer;

static size_t on_body(char *data, size_t size, size_t n, void *context) {
  mf_buf *body = &((transfer *)context)->answer->body;
  mf_buf_append(body, data, size * n);
  return body->failed ? 0 : size * n;
}

static bool header_is(mf_str line, const char *name, mf_str *value) {
  size_t len = strlen(name);
  if (line.len <= len || strncasecmp(line.data, name, len) != 0 || line.data[len] != ':') return false;
  size_t start = len + 1, end = line.len;
  while (start < end && line.data[start] == ' ') start++;
  while (end > start && (line.data[end - 1] == '\r' || line.data[end - 1] == '\n')) end--;
  *value = (mf_str){line.data + start, end - start};
  return true;
}

static size_t on_header(char *data, size_t size, size_t n, void *context) {
  cli_answer *answer = ((transfer *)context)->answer;
  mf_str line = {data, size * n}, value;
  if (header_is(line, "x-amzn-ErrorType", &value)) snprintf(answer->error_type, sizeof answer->error_type, "%.*s", MF_STR_ARG(value));
  if (header_is(line, "X-Amz-Function-Error", &value))
    snprintf(answer->function_error, sizeof answer->function_error, "%.*s", MF_STR_ARG(value));
  if (header_is(line, "X-Amz-Log-Result", &value)) mf_buf_str(&answer->log_result, value);
  return size * n;
}

static size_t on_read(char *out, size_t size, size_t n, void *context) {
  transfer *t = context;
  uint64_t left = t->request->body_len - t->sent;
  size_t wanted = (size_t)MF_MIN(left, (uint64_t)(size * n));
  ssize_t got = wanted ? pread(t->request->body_fd, out, wanted, (off_t)t->sent) : 0;
  if (got < 0 || (wanted && got == 0)) return CURL_READFUNC_ABORT;
  t->sent += (uint64_t)got;
  if (t->request->uploading)
    cli_progress(t->started_ns, "sending %s: %u %% of %llu MB", t->request->uploading,
                 (unsigned)(t->sent * 100 / t->request->body_len), (unsigned long long)(t->request->body_len >> 20));
  return (size_t)got;
}

// ---- signing ----

static mf_str host_of(const char *endpoint) {
  const char *start = strstr(endpoint, "://") + 3;
  return (mf_str){start, strcspn(start, "/")};
}

static bool hash_body(const cli_request *request, uint8_t digest[MF_SHA256_BYTES], mf_error *err) {
  if (request->body.data || request->body_len == 0) {
    mf_sha256(request->body.data, request->body.len, digest);
    return true;
  }
  return mf_sha256_fd(request->body_fd, digest, err);
}

static bool add_line(struct curl_slist **list, mf_arena *arena, const char *name, mf_str value) {
  char *line = mf_str_format(arena, "%s: %.*s", name, MF_STR_ARG(value));
  struct curl_slist *longer = line ? curl.append(*list, line) : NULL;
  if (longer) *list = longer;
  return longer != NULL;
}

static bool sign(const cli_server *server, const cli_request *request, mf_arena *arena, struct curl_slist **list, mf_error *err) {
  char date[20];
  time_t now = time(NULL);
  struct tm tm;
  strftime(date, sizeof date, "%Y%m%dT%H%M%SZ", gmtime_r(&now, &tm));
  char hash[MF_SHA256_HEX + 1];  // named in the head, so that the server knows whose body it is before it comes
  mf_header headers[4] = {{"host", host_of(server->endpoint)}, {"x-amz-date", mf_str_from(date)}};
  mf_sigv4_request parts = {.method = mf_str_from(request->method), .headers = headers, .n_headers = 2};
  if (!hash_body(request, parts.payload_sha256, err)) return false;
  mf_hex(parts.payload_sha256, MF_SHA256_BYTES, hash);
  headers[parts.n_headers++] = (mf_header){"x-amz-content-sha256", mf_str_from(hash)};
  if (request->header) {
    const char *colon = strchr(request->header, ':');
    char *name = mf_str_format(arena, "%.*s", (int)(colon - request->header), request->header);
    headers[parts.n_headers++] = (mf_header){name, mf_str_from(colon + 2)};
  }
  const char *mark = strchr(request->path, '?');
  parts.target = (mf_str){request->path, mark ? (size_t)(mark - request->path) : strlen(request->path)};
  parts.query = mf_str_from(mark ? mark + 1 : "");
  mf_str authorization;
  if (!mf_sigv4_sign(&parts, mf_str_from(server->access_key), mf_str_from(server->secret), mf_str_from(server->region), MF_STR("lambda"),
                     mf_str_from(date), arena, &authorization, err))
    return false;
  bool added = add_line(list, arena, "Authorization", authorization) && add_line(list, arena, "Content-Type", MF_STR("application/octet-stream"));
  for (uint32_t i = 0; i < parts.n_headers; i++) added = added && add_line(list, arena, headers[i].name, headers[i].value);
  return added || mf_fail(err, MF_OutOfMemory, "no memory for a request");
}

// ---- sending ----

static void set_body(CURL *handle, transfer *t) {
  const cli_request *request = t->request;
  bool has_file = !request->body.data && request->body_len > 0;
  bool may_have_one = strcmp(request->method, "POST") == 0 || strcmp(request->method, "PUT") == 0;
  if (has_file) {
    curl.set(handle, CURLOPT_UPLOAD, 1L);
    curl.set(handle, CURLOPT_READFUNCTION, on_read);
    curl.set(handle, CURLOPT_READDATA, t);
    curl.set(handle, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->body_len);
  } else if (may_have_one) {
    curl.set(handle, CURLOPT_POSTFIELDS, request->body.data ? request->body.data : "");
    curl.set(handle, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
  }
  curl.set(handle, CURLOPT_CUSTOMREQUEST, request->method);
}

static bool perform(CURL *handle, transfer *t, const char *url, struct curl_slist *list, mf_error *err) {
  curl.set(handle, CURLOPT_URL, url);
  curl.set(handle, CURLOPT_PATH_AS_IS, 1L);
  curl.set(handle, CURLOPT_NOPROXY, "*");
  curl.set(handle, CURLOPT_NOSIGNAL, 1L);
  curl.set(handle, CURLOPT_HTTPHEADER, list);
  curl.set(handle, CURLOPT_ERRORBUFFER, t->problem);
  curl.set(handle, CURLOPT_WRITEFUNCTION, on_body);
  curl.set(handle, CURLOPT_WRITEDATA, t);
  curl.set(handle, CURLOPT_HEADERFUNCTION, on_header);
  curl.set(handle, CURLOPT_HEADERDATA, t);
  curl.set(handle, CURLOPT_CONNECTTIMEOUT, 10L);
  const char *authorities = getenv("AWS_CA_BUNDLE");
  if (authorities && *authorities) curl.set(handle, CURLOPT_CAINFO, authorities);
  set_body(handle, t);
  CURLcode code = curl.perform(handle);
  cli_progress_end();
  curl.info(handle, CURLINFO_RESPONSE_CODE, &t->answer->status);
  if (code == CURLE_OK) return true;
  if (code == CURLE_SEND_ERROR && t->answer->status >= 400) return true;  // refused before all was sent
  if (code == CURLE_COULDNT_CONNECT)
    return mf_fail(err, MF_Io, "no server answers at %.*s: is it running? Start one by `mayfly serve`",
                   MF_STR_ARG(host_of(url)));
  if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE)
    return mf_fail(err, MF_Io, "the certificate of %.*s is not trusted: %s. Set AWS_CA_BUNDLE to a PEM file of the certificate, or of the authority that signed it",
                   MF_STR_ARG(host_of(url)), t->problem);
  return mf_fail(err, MF_Io, "the request to %s failed: %s", url, t->problem);
}

bool cli_send(const cli_server *server, const cli_request *request, cli_answer *answer, mf_error *err) {
  *answer = (cli_answer){0};
  if (!load_curl(err)) return false;
  transfer t = {.request = request, .answer = answer, .started_ns = mf_now_ns()};
  struct curl_slist *list = NULL;
  mf_arena arena;
  mf_arena_init(&arena, 0);
  CURL *handle = curl.init();
  char *url = mf_str_format(&arena, "%s%s", server->endpoint, request->path);
  bool done = handle && url ? sign(server, request, &arena, &list, err) && perform(handle, &t, url, list, err)
                            : mf_fail(err, MF_OutOfMemory, "no memory for a request");
  mf_buf_append(&answer->body, "", 1);
  if (answer->body.len > 0) answer->body.len--;
  if (handle) curl.cleanup(handle);
  curl.free_list(list);
  mf_arena_deinit(&arena);
  return done;
}

void cli_answer_free(cli_answer *answer) {
  mf_buf_deinit(&answer->body);
  mf_buf_deinit(&answer->log_result);
}

static mf_code code_of_status(long status) {
  switch (status) {
    case 403: return MF_NotAuthorized;
    case 404: return MF_NotFound;
    case 409: return MF_Conflict;
    case 413: return MF_TooLarge;
    case 429: return MF_Throttled;
    case 503: return MF_Unavailable;
    default: return status >= 500 ? MF_Io : MF_InvalidRequest;
  }
}

bool cli_answer_is_good(const cli_answer *answer, mf_error *err) {
  if (answer->status >= 200 && answer->status < 300) return true;
  json_t *json = answer->body.data ? json_loadb(answer->body.data, answer->body.len, 0, NULL) : NULL;
  const char *message = cli_text(json, "message");
  if (!message[0]) message = cli_text(json, "Message");
  mf_fail(err, code_of_status(answer->status), "%s (%s%sHTTP %ld)", message[0] ? message : "the server refused", answer->error_type,
          answer->error_type[0] ? ", " : "", answer->status);
  json_decref(json);
  return false;
}

bool cli_ask(const cli_server *server, const cli_request *request, json_t **json, mf_error *err) {
  cli_answer answer;
  bool done = cli_send(server, request, &answer, err) && cli_answer_is_good(&answer, err);
  if (done && json) {
    json_error_t problem;
    *json = json_loadb(answer.body.data ? answer.body.data : "", answer.body.len, JSON_DECODE_ANY, &problem);
    if (!*json) done = mf_fail(err, MF_Io, "the server's answer is not JSON: %s", problem.text);
  }
  cli_answer_free(&answer);
  return done;
}

void cli_encode(mf_buf *out, const char *text) {
  for (; *text; text++) {
    bool plain = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') || (*text >= '0' && *text <= '9') ||
                 strchr("-._~", *text);
    if (plain) mf_buf_append(out, text, 1);
    else mf_buf_format(out, "%%%02X", (unsigned char)*text);
  }
}

bool cli_ask_about(const cli_server *server, const char *method, const char *prefix, const char *name, json_t **json, mf_error *err) {
  mf_buf path = {0};
  mf_buf_text(&path, prefix);
  cli_encode(&path, name);
  mf_buf_append(&path, "", 1);
  const cli_request request = {.method = method, .path = path.data};
  bool done = path.failed ? mf_fail(err, MF_OutOfMemory, "no memory for a request") : cli_ask(server, &request, json, err);
  mf_buf_deinit(&path);
  return done;
}
