// events: the dispatcher of asynchronous work. An event is on disk before it is acknowledged, runs when there is room, is tried again by
// Lambda's rules, and ends done, in a destination, or kept as failed. Delivery is at least once; order is not promised.
//
// A row for each event, in a queue for each function: "region/name" NUL sequence. Memory holds a window of a queue and counts, never the
// backlog. Retries wait in a table ordered by when they are due, failed events without a target in one ordered by when they failed.
//
// The dispatcher knows no service: who can run events attaches itself (mf_events_attach). All calls come from the loop's thread.
#ifndef MF_EVENTS_EVENTS_H
#define MF_EVENTS_EVENTS_H

#include "base/base.h"
#include "store/store.h"

enum {
  MF_EVENT_LARGEST = 1 << 20,           // of a payload
  MF_EVENT_LOOP_LIMIT = 16,             // runs of one function in a chain of events (Lambda's recursion detection)
  MF_EVENT_FOLLOWERS = 1024,            // that may come of one event, in all: chains that fork (a destination and a dead-letter target) grow
                                        // with each link, and the limit above counts along one branch only
  MF_EVENTS_FAILED_KEPT = 1000,         // failed events without a target, of all functions; the oldest go
  MF_EVENTS_FAILED_BYTES = 64 << 20,    // and so many bytes
  MF_EVENTS_FAILED_DAYS = 14,
  MF_EVENT_ID = 400,
};

typedef struct mf_events mf_events;

typedef enum mf_event_verdict {
  MF_EVENT_DONE,
  MF_EVENT_FUNCTION_ERROR,  // counts as an attempt: tried again as the policy says
  MF_EVENT_THROTTLED,       // did not run: the function's queue waits, 1 s doubling to 5 min
  MF_EVENT_SYSTEM_ERROR,    // did not run, or not to an end, and it is not the function's doing: the same
  MF_EVENT_GONE,            // there is no such function: the event is dropped
} mf_event_verdict;

// One attempt, the dispatcher's from `run` until mf_events_ran.
typedef struct mf_event {
  mf_str function, qualifier;   // "region/name", and the qualifier as called, "" if none
  char request_id[MF_UUID_TEXT + 1];
  mf_slice payload;
  uint32_t attempts;            // that the function failed before this one
  // set by the runner before mf_events_ran; response and message may end with that call
  mf_event_verdict verdict;
  const char *function_error;   // NULL or "Unhandled"
  char executed_version[24];
  mf_slice response;
  const char *message;          // what went wrong, for people; NULL: nothing
  void *data;                   // the runner's
} mf_event;

typedef struct mf_event_policy {
  bool known;                   // false: there is no such function
  bool qualifier_gone;          // there is, but not what the qualifier names: the event fails without an attempt
  uint64_t uid;                 // which of those that had its name over time; 0: not known
  uint32_t max_retries;         // 2
  int64_t max_age_ns;           // 6 hours
  uint32_t concurrency;         // events of the function that may run at a time; 0: none ever (reserved concurrency 0)
  // Where records go: functions as "region/name:qualifier" (no qualifier: ""); len 0: nowhere. Valid until the next call.
  mf_str on_success, on_failure, dead_letter;
} mf_event_policy;

typedef struct mf_event_runner {
  void (*policy)(void *context, mf_str function, mf_str qualifier, mf_event_policy *policy);
  // Ends in mf_events_ran, once; that may be before it returns.
  void (*run)(void *context, mf_event *event);
  // The function's ARN with the qualifier ($LATEST for none), as records name it.
  void (*arn)(void *context, mf_str function, mf_str qualifier, mf_buf *out);
  void *context;
} mf_event_runner;

typedef struct mf_events_options {
  uint32_t slots;               // that the host has: twice as many events are under way, and of each function one in any case; 0: one
  bool beside;                  // events compute beside calls, not only where nobody else would: they make way the more
  double retry_scale;           // of all delays between attempts (tests set it); 0: 1
} mf_events_options;

mf_events *mf_events_create(mf_store *store, mf_loop *loop, const mf_events_options *options, mf_error *err) MF_MUST_CHECK;
void mf_events_destroy(mf_events *events);               // after the store: its last callbacks come here
void mf_events_attach(mf_events *events, const mf_event_runner *runner);
// Finds the events that a stop left, one look for each function that has some, and begins.
bool mf_events_resume(mf_events *events, mf_error *err) MF_MUST_CHECK;
void mf_events_stop(mf_events *events);                  // nothing is begun any more; what runs ends in mf_events_ran
void mf_events_flush(mf_events *events);                 // what ended is removed from the store; it happens by itself soon

typedef struct mf_event_offer {
  mf_str function, qualifier, request_id;
  uint64_t uid;                 // the function's; 0: not known, then it runs on whichever has the name
  mf_slice payload;             // in memory, or
  int payload_fd;               // -1; else a file that holds payload.len bytes from offset 0
} mf_event_offer;
// `done` comes once the event is on disk (err NULL) or cannot be. An offer with a file may have to wait for memory: it must stay readable
// until then (its descriptor is duplicated).
bool mf_events_accept(mf_events *events, const mf_event_offer *offer, mf_store_done *done, void *context, mf_error *err) MF_MUST_CHECK;
void mf_events_ran(mf_events *events, mf_event *event);

// Somebody waits for an answer: events make way while such calls are under way and shortly after.
void mf_events_foreground(mf_events *events, bool begins);
// A function is deleted: its events are, in the background; what is accepted from now on is another function's. (Those that are known by
// their uid are dropped in any case: a new function of the name has another.)
void mf_events_forget(mf_events *events, mf_str function);
// A function changed (it can run again, or has another limit): its queue is looked at now.
void mf_events_wake(mf_events *events, mf_str function);

// ---- for people ----
typedef struct mf_events_stats {
  uint64_t waiting, running, retrying, failed;    // waiting: by the queues' ends, gaps of single removed events included;
                                                  // running: until what follows from the run is on disk. All 0: all is over
  bool counting;                                  // retrying lacks those of before the start, which are being counted
  int64_t oldest_ms;                              // age of the oldest event that waits in a window; 0: none
  uint64_t accepted, done, dropped, delivered;    // since the start; delivered: records and dead letters
  uint64_t function_errors, throttled;
  uint64_t delivery_failures, dead_letter_errors; // of records (DestinationDeliveryFailures) and of dead letters (DeadLetterErrors)
} mf_events_stats;
void mf_events_statistics(const mf_events *events, mf_events_stats *stats);

typedef struct mf_event_shown {
  const char *state;            // "waiting", "running", "retrying", "failed"
  char id[MF_EVENT_ID];         // for mf_events_retry and mf_events_drop
  mf_str function, qualifier, request_id, reason;
  mf_str condition;             // why one has failed, in the words of Lambda's records ("RetriesExhausted"); "" of others
  uint32_t attempts;
  int64_t accepted_ms, at_ms;   // wall clock; at_ms: when it is due, or failed; 0
  size_t payload_bytes;
} mf_event_shown;
typedef struct mf_events_count { mf_str function; uint64_t waiting, running; bool paused; } mf_events_count;
// Where a list ended, as text; "" when it did not.
enum { MF_EVENTS_NEXT = 560 };
// Functions with events, and up to `limit` events of each state. function: "region/name" or "region/" for all of a region's. Retries are
// not ordered by function: of many one call looks at some, and the next goes on there: after is what `next` said (MF_InvalidRequest: it did
// not), or ""; with it there are only retries.
typedef struct mf_events_query {
  mf_str function, after;
  uint32_t limit;
  void (*count)(void *context, const mf_events_count *count);
  void (*show)(void *context, const mf_event_shown *event);
  void *context;
} mf_events_query;
bool mf_events_list(mf_events *events, const mf_events_query *query, char next[MF_EVENTS_NEXT], mf_error *err) MF_MUST_CHECK;
// Its payload, in the arena.
bool mf_events_payload(mf_events *events, mf_str region, mf_str id, mf_arena *arena, mf_slice *payload, mf_error *err) MF_MUST_CHECK;
// By the id that mf_events_list gave: a failed event is accepted anew (its attempts begin again), one that waits for a retry is due now.
// MF_NotFound: it is not there (any more), or its function or qualifier is not; MF_Conflict: it is running,
// or due already, or on its way. `done` when it is on disk.
bool mf_events_retry(mf_events *events, mf_str region, mf_str id, mf_store_done *done, void *context, mf_error *err) MF_MUST_CHECK;
bool mf_events_drop(mf_events *events, mf_str region, mf_str id, mf_store_done *done, void *context, mf_error *err) MF_MUST_CHECK;
#endif
