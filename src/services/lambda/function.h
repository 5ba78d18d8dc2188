// Functions as they are stored (a row of JSON) and as invocations need them (a small struct in a bounded cache).
//
// A row: {"configuration": members as AWS returns them (State and the like included), "tags": {}, "reserved": n, "package": hex,
//  "image": {"blob": hex, "bytes", "arena_bytes", "memory_needed", "built": version}, "deploy": {"package", "CodeSha256", "CodeSize"} while
//  code is being built, "revision": n, "memory_told": bool, "timeout_told": bool, "versions": the last number given to a version (of its name),
//  "publishing": the number of the version that the update under way becomes, "uid": a random number of 53 bits that tells it from others
//  that had the name before or have it later, "created": when, as LastModified has it (rows of before have neither)}
//
// A published version's row is the same, in a table of its own, without tags and reservation and with "version": its number,
// "latest_description": Description of $LATEST when it was published. Keys: "region/name" is a function ($LATEST), "region/name:7" its
// version 7; the calls below take either.
#ifndef MF_SERVICES_LAMBDA_FUNCTION_H
#define MF_SERVICES_LAMBDA_FUNCTION_H

#include <jansson.h>

#include "lambda.h"
#include "regions.h"
#include "report.h"

enum { MF_LAMBDA_CACHE = 16384, MF_LAMBDA_BUCKETS = 8192 };  // functions that are kept parsed, about 400 bytes each

typedef enum mf_lambda_state { MF_STATE_PENDING, MF_STATE_ACTIVE, MF_STATE_FAILED } mf_lambda_state;

typedef struct mf_counters {
  uint64_t invocations, errors, throttles, cold_starts, billed_ms;
} mf_counters;

typedef struct mf_billed {
  uint64_t calls, mb_ms;      // billed milliseconds times megabytes, on demand
  uint64_t first_ms;          // when the first one was counted, wall clock; 0: not known
  uint64_t run_mb_ms;         // billed milliseconds times megabytes on provisioned concurrency
  uint64_t kept_mb_ms;        // how long that was kept, times megabytes (standby.h)
} mf_billed;

typedef struct mf_lambda_entry {
  struct mf_lambda_entry *next_in_bucket, *newer, *older;  // older/newer: order of use
  struct mf_lambda_entry *next_dirty;
  mf_lambda_function spec;    // spec.key: "region/name" or "region/name:7", owned
  uint64_t uid;               // of a function; 0: none, as versions have
  mf_lambda_state state;
  bool has_image;             // something can run
  bool stale;                 // its image must be built again before it can run
  bool rebuilding;            // and that is under way
  bool dirty, deleted;        // counters not written yet; no longer in the table
  uint32_t in_flight;         // pins it
  uint32_t waiters;           // readers of its log that wait
  char built[40];             // what built the image
  char *dead_letter;          // where failed events go, "region/name:qualifier"; NULL: nowhere
  mf_counters counters;
  struct mf_function_metrics *metrics;  // NULL: has not run since it was loaded
  mf_billed unwritten;        // of unwritten_day, not in its row yet (days.h)
  uint32_t unwritten_day;
  char *log_group;            // that it logs to; NULL: its own, /aws/lambda/NAME
  mf_logging logging;         // and how
} mf_lambda_entry;

typedef struct mf_lambda_cache {
  mf_store *store;
  mf_events *events;          // hear of functions that change or go
  mf_lambda_entry *buckets[MF_LAMBDA_BUCKETS];
  mf_lambda_entry *newest, *oldest, *dirty;
  uint32_t count;
  uint32_t leaving;           // calls in flight of functions that are deleted
  bool closing;               // the store is about to close: what it cannot write is lost
  const char *built;          // functions whose image was built by another version are stale
  mf_regions regions;
} mf_lambda_cache;

// The parts of a key, each within it: "region/name", "name", and "7" or "$LATEST" (lambda.h has the region).
mf_str mf_lambda_function_key(mf_str key);
mf_str mf_lambda_name_of(mf_str key);
mf_str mf_lambda_version_of(mf_str key);
static inline bool mf_lambda_is_version(mf_str key) { return mf_lambda_function_key(key).len < key.len; }
enum { MF_VERSION_DIGITS = 10 };
// A number as AWS writes it, without leading zeros; 0: it is none, or has more than MF_VERSION_DIGITS digits.
uint64_t mf_lambda_version_number(mf_str text);

// The key of a version as its row has it ("region/name:0000000007") becomes that of the calls here ("region/name:7"), in `text`.
mf_str mf_lambda_key_of_row(mf_str row_key, char *text, size_t capacity);

// The group that a function logs to, and the name that its log goes by in the store; text in `out`.
enum { MF_LOG_GROUP_BYTES = 520 };
mf_str mf_lambda_log_group(const mf_lambda_entry *function, char out[MF_LOG_GROUP_BYTES]);
mf_str mf_lambda_log_key(const mf_lambda_entry *function, char out[MF_LOG_KEY_BYTES]);

// The function, from the cache or the store. *function NULL: there is none.
bool mf_lambda_entry_find(mf_lambda_cache *functions, mf_str key, mf_lambda_entry **function, mf_error *err) MF_MUST_CHECK;
mf_lambda_entry *mf_lambda_entry_peek(mf_lambda_cache *functions, mf_str key);  // in the cache only; NULL: not there
void mf_lambda_entry_unpin(mf_lambda_cache *functions, mf_lambda_entry *function);  // after waiters went down
void mf_lambda_entry_answered(mf_lambda_cache *functions, mf_lambda_entry *function);  // one call less in flight
void mf_lambda_entry_touch_counters(mf_lambda_cache *functions, mf_lambda_entry *function);
void mf_lambda_cache_flush(mf_lambda_cache *functions);    // writes the counters that changed
void mf_day_write(mf_lambda_cache *functions, mf_lambda_entry *function);  // days.c: its part of that
void mf_lambda_cache_deinit(mf_lambda_cache *functions);

// The row, a new reference; *row NULL: there is none.
bool mf_row_load(mf_store *store, mf_str key, json_t **row, mf_error *err) MF_MUST_CHECK;
// Writes the row (a new revision when `changes_code_or_limits`), and brings the cached struct up to date at once. `done` as in
// mf_store_commit; when the commit fails the cached struct is dropped. The region's sums change at once, and back when the commit fails.
// extra: further writes of the same commit.
bool mf_row_save(mf_lambda_cache *functions, mf_str key, json_t *row, const mf_write *extra, uint32_t n_extra, mf_store_done *done,
                 void *context, mf_error *err) MF_MUST_CHECK;
// Two rows of one function in one commit: its own and that of one of its versions, say.
typedef struct mf_row_change {
  mf_str key;
  json_t *row;
} mf_row_change;
enum { MF_ROWS_AT_ONCE = 2 };
bool mf_rows_save(mf_lambda_cache *functions, const mf_row_change *changes, uint32_t n_changes, const mf_write *extra, uint32_t n_extra,
                  mf_store_done *done, void *context, mf_error *err) MF_MUST_CHECK;
// With all that belongs to it: settings and, of a function, versions (from mf_row_versions; NULL when the key is a version's).
bool mf_row_delete(mf_lambda_cache *functions, mf_str key, const json_t *versions, mf_store_done *done, void *context,
                   mf_error *err) MF_MUST_CHECK;
// {number: row} of all versions of a function, a new reference.
bool mf_row_versions(mf_store *store, mf_str function_key, json_t **versions, mf_error *err) MF_MUST_CHECK;
void mf_lambda_entry_drop(mf_lambda_cache *functions, mf_str key);  // the next use reads the store again
json_t *mf_row_configuration(const json_t *row);             // borrowed
bool mf_member_is(const json_t *object, const char *member, const char *value);  // the member is this text
// The package, the one that is being built and the image, as far as the row names them; how many.
enum { MF_ROW_BLOBS = 3 };
uint32_t mf_row_blobs(const json_t *row, mf_blob_id ids[MF_ROW_BLOBS]);
uint64_t mf_row_version_numbers(const json_t *row);           // the last number given to a version, 0: none was
void mf_row_new_revision(json_t *row);                       // for the host: instances of the old one retire

bool mf_counters_load(mf_store *store, mf_str key, mf_counters *counters, mf_error *err) MF_MUST_CHECK;
json_t *mf_counters_json(const mf_counters *counters);

bool mf_blob_id_parse(const json_t *hex, mf_blob_id *id);
json_t *mf_blob_id_json(const mf_blob_id *id);
#endif
