// Functions as the dispatcher knows them: a hash table by key, filled on demand. A function that has no worker and no invocation is not
// in it, so a million deployed functions cost nothing here.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

enum { FIRST_BUCKETS = 256 };

static uint64_t hash_of(mf_str key) { return mf_hash64(key.data, key.len, 0); }

mf_function *mf_function_find(const mf_host *host, mf_str key) {
  if (host->n_buckets == 0) return NULL;
  const uint64_t hash = hash_of(key);
  mf_function *function = host->buckets[hash & (host->n_buckets - 1)];
  while (function && !(function->hash == hash && mf_str_equal((mf_str){function->key, function->key_len}, key))) function = function->chain;
  return function;
}

static bool grow(mf_host *host) {
  const uint32_t n_buckets = host->n_buckets ? host->n_buckets * 2 : FIRST_BUCKETS;
  mf_function **buckets = calloc(n_buckets, sizeof(mf_function *));
  if (!buckets) return false;
  for (uint32_t i = 0; i < host->n_buckets; i++) {
    for (mf_function *function = host->buckets[i], *next; function; function = next) {
      next = function->chain;
      mf_function **bucket = &buckets[function->hash & (n_buckets - 1)];
      function->chain = *bucket;
      *bucket = function;
    }
  }
  free(host->buckets);
  host->buckets = buckets;
  host->n_buckets = n_buckets;
  return true;
}

static mf_account *open_account(mf_host *host, mf_str name) {
  mf_account *account = host->accounts;
  while (account && !mf_str_equal((mf_str){account->name, account->name_len}, name)) account = account->next;
  if (!account) {
    account = calloc(1, sizeof *account + name.len);
    if (!account) return NULL;
    account->name_len = (uint32_t)name.len;
    if (name.len > 0) memcpy(account->name, name.data, name.len);
    account->next = host->accounts;
    host->accounts = account;
  }
  account->n_functions++;
  return account;
}

static void close_account(mf_host *host, mf_account *account) {
  if (!account || --account->n_functions > 0) return;
  mf_account **at = &host->accounts;
  while (*at && *at != account) at = &(*at)->next;
  *at = account->next;
  free(account);
}

static mf_function *add(mf_host *host, mf_str key, mf_str account_name, mf_error *err) {
  if (key.len > MF_KEY_LARGEST) {
    mf_fail(err, MF_Internal, "the key of a function has %zu characters, at most %d", key.len, MF_KEY_LARGEST);
    return NULL;
  }
  mf_function *function = host->free_functions;
  if (function) host->free_functions = function->chain;
  else function = malloc(sizeof *function);
  mf_account *account = function ? open_account(host, account_name) : NULL;
  if (!account || (host->n_functions >= host->n_buckets && !grow(host) && host->n_buckets == 0)) {
    close_account(host, account);
    free(function);
    mf_fail(err, MF_OutOfMemory, "no memory for one more function");
    return NULL;
  }
  *function = (mf_function){.key_len = (uint32_t)key.len, .hash = hash_of(key), .image_fd = -1, .known = true, .stale = true,
                            .account = account, .group = function, .reserved_concurrency = -1};
  memcpy(function->key, key.data, key.len);
  mf_function **bucket = &host->buckets[function->hash & (host->n_buckets - 1)];
  function->chain = *bucket;
  *bucket = function;
  host->n_functions++;
  return function;
}

// A worker with a writable descriptor could write into every instance's weights.
static bool check_image(int fd, uint64_t *bytes, mf_error *err) {
  struct stat st;
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fstat(fd, &st) != 0) return mf_fail_errno(err, "cannot look at the model image");
  if ((flags & O_ACCMODE) != O_RDONLY) return mf_fail(err, MF_Internal, "the model image was opened for writing");
  if (st.st_size <= 0) return mf_fail(err, MF_InvalidImage, "the model image is empty");
  *bytes = (uint64_t)st.st_size;
  return true;
}

// To what the specification says; the new image is opened before the old one is given up, since invocations that wait still need one.
static bool update(mf_host *host, mf_function *function, const mf_function_spec *spec, mf_error *err) {
  uint64_t bytes = 0;
  OWN_FD int fd = -1;
  function->group->reserved_concurrency = spec->reserved_concurrency;
  if (!function->stale && function->revision == spec->revision) return true;
  if (!spec->open_image(spec->context, &fd, err) || !check_image(fd, &bytes, err)) return false;
  mf_close(&function->image_fd);
  function->image_fd = mf_give(&fd);
  function->image_bytes = bytes;
  function->stale = false;
  function->revision = spec->revision;
  function->generation++;
  function->memory_mb = spec->memory_mb;
  function->arena_bytes = spec->arena_bytes;
  mf_pool_retire_idle(host, function);
  return true;
}

// A group is a function itself, though perhaps one without an image yet, and stays as long as it has versions here.
static bool join(mf_host *host, mf_function *function, const mf_function_spec *spec, mf_error *err) {
  const mf_str group_key = spec->group;
  if (group_key.len == 0 || mf_str_equal(group_key, (mf_str){function->key, function->key_len})) return true;
  mf_function *group = mf_function_find(host, group_key);
  if (!group) group = add(host, group_key, spec->account, err);
  if (!group) return false;
  function->group = group;
  function->next_version = group->versions;
  if (group->versions) group->versions->previous_version = function;
  group->versions = function;
  return true;
}

static void leave_group(mf_function *function) {
  mf_function *group = function->group;
  if (group == function) return;
  if (function->previous_version) function->previous_version->next_version = function->next_version;
  else group->versions = function->next_version;
  if (function->next_version) function->next_version->previous_version = function->previous_version;
}

static mf_function *add_member(mf_host *host, const mf_function_spec *spec, mf_error *err) {
  mf_function *function = add(host, spec->key, spec->account, err);
  if (!function || join(host, function, spec, err)) return function;
  mf_function_drop_unused(host, function);
  return NULL;
}

mf_function *mf_function_get(mf_host *host, const mf_function_spec *spec, mf_error *err) {
  mf_function *function = mf_function_find(host, spec->key);
  if (!function) function = add_member(host, spec, err);
  if (function && !function->history) function->history = mf_history_open(host, spec->key);
  if (!function || update(host, function, spec, err)) return function;
  mf_function_drop_unused(host, function);
  return NULL;
}

static void unchain(mf_host *host, mf_function *function) {
  mf_function **at = &host->buckets[function->hash & (host->n_buckets - 1)];
  while (*at != function) at = &(*at)->chain;
  *at = function->chain;
  host->n_functions--;
}

void mf_function_drop_unused(mf_host *host, mf_function *function) {
  if (!function->known || function->n_idle > 0 || function->n_busy > 0 || function->in_flight > 0) return;
  if (function->versions || function->provisioned > 0) return;
  mf_function *group = function->group;
  leave_group(function);
  unchain(host, function);
  close_account(host, function->account);
  mf_close(&function->image_fd);
  mf_history_close(function->history);
  function->known = false;
  function->chain = host->free_functions;
  host->free_functions = function;
  if (group != function) mf_function_drop_unused(host, group);
}

static void free_chain(mf_function *function) {
  for (mf_function *next; function; function = next) {
    next = function->chain;
    free(function);
  }
}

void mf_functions_deinit(mf_host *host) {
  for (uint32_t i = 0; i < host->n_buckets; i++) {
    for (mf_function *function = host->buckets[i]; function; function = function->chain) mf_close(&function->image_fd);
    free_chain(host->buckets[i]);
  }
  free_chain(host->free_functions);
  free(host->buckets);
  for (mf_account *account = host->accounts, *next; account; account = next) {
    next = account->next;
    free(account);
  }
}
