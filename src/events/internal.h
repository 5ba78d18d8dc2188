// What the parts of the dispatcher share: rows (row.c), queues and their windows (queue.c), the way in (accept.c), running and what
// follows from it (dispatch.c), waiting for another attempt (retry.c), failed events (failed.c), records (record.c), lists (list.c).
#ifndef MF_EVENTS_INTERNAL_H
#define MF_EVENTS_INTERNAL_H

#include "events.h"

enum {
  MF_WINDOW_EVENTS = 64,               // of a queue, read ahead
  MF_WINDOW_BYTES = 256 << 10,
  MF_WINDOWS_BYTES = 16 << 20,         // of all queues: beyond it a queue reads one event at a time
  MF_EVENT_QUEUES = 1024,              // buckets
  MF_LINEAGE = 8,
  MF_QUALIFIER_LARGEST = 128,
  MF_EVENT_KEY = 8 + 256 + 1 + 8,      // due or failed time, "region/name", NUL, sequence
  MF_RETRIES_LOADED = 64,              // retries that are due and in memory
  MF_QUEUE_RETRIES_LOADED = 8,         // of one queue
  MF_TARGETS = 3,
};

typedef struct mf_queue mf_queue;

// What a row says beside the payload. Rows are little-endian but for keys, which sort.
typedef struct mf_event_facts {
  uint8_t attempts, refusals;          // function errors; throttles and system errors since the last one
  uint8_t n_lineage;
  uint16_t spent;                      // of MF_EVENT_FOLLOWERS, what it may not have itself any more: each follower has its share of the rest
  struct { uint32_t function; uint8_t runs; } lineage[MF_LINEAGE];  // of the chain of events that led here
  int64_t accepted_ms;
  uint64_t uid;                        // of the function that it was accepted for; 0: of whichever has the name
  mf_str request_id, qualifier;
  mf_slice payload;
} mf_event_facts;

typedef struct mf_kept_event {         // an event in memory: in a window, under way, or ended and to be removed
  mf_event event;                      // first: what the runner sees
  mf_events *events;
  mf_queue *queue;
  struct mf_kept_event *next, *previous;
  mf_table table;                      // events or retries
  mf_event_facts facts;
  uint64_t sequence;
  bool removed;                        // dropped while it was in memory
  bool to_retries;                     // it is being moved there
  size_t to_failed;                    // the same: the bytes of its row there
  // accepted, or being moved: until the commit is done
  mf_store_done *done;
  void *context;
  struct { mf_queue *queue; uint64_t sequence; } targets[MF_TARGETS];
  uint32_t n_targets;
  int64_t begun_ns;
  uint64_t due;                        // its key begins with it, when it is a retry
  size_t key_len, row_len;
  char *row;
  char bytes[];                        // key, row
} mf_kept_event;
typedef struct mf_kept_list { mf_kept_event *first, *last; } mf_kept_list;

struct mf_queue {                      // of one function
  mf_events *events;
  mf_queue *chain;                     // of its bucket
  mf_queue *next, *previous;           // among those that may have something to begin
  bool listed, paused;
  mf_kept_list window;
  uint32_t n_window, n_retries;        // retries: in the window or under way
  size_t window_bytes;
  // Sequences: the next to be given, the last that is on disk, the last that was read into the window or passed it, and up to where
  // events belong to a function that is deleted.
  uint64_t next_sequence, tail, read, dropped_through;
  uint32_t running, under_way;         // under_way: commits that will speak to it
  uint32_t concurrency;                // as the policy said last
  int64_t backoff_ns;
  mf_timer pause;
  uint32_t key_len;                    // "region/name" NUL
  char key[];
};

struct mf_events {
  mf_store *store;
  mf_loop *loop;
  mf_event_runner runner;
  uint32_t slots;
  bool beside;
  double retry_scale;
  bool stopped;
  mf_queue *buckets[MF_EVENT_QUEUES];
  mf_queue *ready_first, *ready_last;
  size_t windows_bytes;
  mf_timer pump, flush, retry;
  mf_kept_list running;
  uint32_t n_running;
  mf_kept_list moving;                 // until the commit of what follows from them is done
  struct mf_change *changes;           // of people, until their commits are done (list.c)
  mf_kept_list ended;                  // their rows are to be removed
  uint32_t n_ended;
  size_t ended_bytes;
  uint32_t n_foreground;
  uint32_t n_arriving;                 // commits of events that clients wait for
  int64_t foreground_ns, arrived_ns, rest_until_ns;
  bool pressing;                  // the event that began last had waited for so long that events make way no longer
  size_t accepting_bytes;              // of large payloads on their way to disk
  struct mf_offer_wait *offers_first, *offers_last;
  uint64_t last_due;                   // of the last retry that was loaded
  uint32_t n_loaded;
  int64_t n_retrying;                  // while they are being counted: without those of before the start
  bool counting;
  uint64_t n_failed, failed_bytes;
  mf_events_stats stats;
};

// ---- row.c ----
size_t mf_row_bytes(const mf_event_facts *facts);
void mf_row_put(const mf_event_facts *facts, char *row);         // payload.data NULL: its place is left as it is
bool mf_row_read(mf_slice row, mf_event_facts *facts);           // false: damaged; texts lie in the row
void mf_put_u64(uint64_t value, char out[8]);                    // big-endian
uint64_t mf_take_u64(const char *bytes);
// "function NUL sequence", after the time when there is one. Returns the length.
size_t mf_event_key(bool has_time, uint64_t time, mf_str function, uint64_t sequence, char key[MF_EVENT_KEY]);
bool mf_event_key_read(bool has_time, mf_str key, uint64_t *time, mf_str *function, uint64_t *sequence);
// The chain's next link: how often the function has run in it, counted up. The number of runs before.
uint32_t mf_lineage_add(mf_event_facts *facts, mf_str function);
uint32_t mf_lineage_runs(const mf_event_facts *facts, mf_str function);

// ---- queue.c ----
static inline mf_str mf_queue_function(const mf_queue *queue) { return (mf_str){queue->key, queue->key_len - 1}; }
mf_queue *mf_queue_find(mf_events *events, mf_str function);
mf_queue *mf_queue_get(mf_events *events, mf_str function, mf_error *err);  // made when there is none; NULL: no memory
void mf_queue_drop_unused(mf_queue *queue);
void mf_queue_list(mf_queue *queue);                             // it may have something to begin
void mf_queue_unlist(mf_queue *queue);
bool mf_queue_to_the_end(mf_queue *queue);                       // of the line; false: it has nothing to begin, and is out of it
void mf_queue_pause(mf_queue *queue);                            // 1 s doubling to 5 min
void mf_queue_go_on(mf_queue *queue);                            // a run went well
void mf_queue_on_disk(mf_queue *queue, uint64_t sequence);       // an event was committed
bool mf_queue_push(mf_queue *queue, mf_kept_event *event);       // the one on disk after all in the window; false: no room
void mf_queue_push_first(mf_queue *queue, mf_kept_event *event);
mf_kept_event *mf_queue_pop(mf_queue *queue);                    // reads on when the window is empty; NULL: nothing waits
uint64_t mf_queue_waiting(const mf_queue *queue);
mf_kept_event *mf_kept_event_create(mf_events *events, mf_table table, mf_str key, size_t row_len);
mf_kept_event *mf_kept_event_load(mf_events *events, mf_table table, mf_str key, mf_slice row);
void mf_kept_event_free(mf_kept_event *event);
void mf_kept_list_add(mf_kept_list *list, mf_kept_event *event);
void mf_kept_list_remove(mf_kept_list *list, mf_kept_event *event);
bool mf_queues_resume(mf_events *events, mf_error *err) MF_MUST_CHECK;

// ---- accept.c ----
// A write that puts an event at the end of a function's queue, in the caller's memory: key and row are what the write points at.
typedef struct mf_delivery {
  mf_queue *queue;
  uint64_t sequence;
  char key[MF_EVENT_KEY];
} mf_delivery;
bool mf_delivery_begin(mf_events *events, mf_str function, mf_slice row, mf_delivery *delivery, mf_write *write, mf_error *err) MF_MUST_CHECK;
void mf_delivery_end(mf_events *events, mf_queue *queue, uint64_t sequence, bool on_disk);
void mf_offers_free(mf_events *events);

// ---- dispatch.c ----
void mf_pump_soon(mf_events *events);
void mf_pump(mf_timer *timer);
bool mf_is_gone(const mf_event_facts *facts, const mf_event_policy *policy);  // the function is: deleted, and there may be a new one of its name
void mf_end_event(mf_events *events, mf_kept_event *event);      // its row goes, soon
void mf_flush_timer(mf_timer *timer);

// ---- retry.c ----
void mf_retry_timer(mf_timer *timer);
// The event moves to the retries, due so long from now; it is the caller's no more.
void mf_retry_later(mf_events *events, mf_kept_event *event, int64_t delay_ns);
void mf_event_again(mf_kept_event *event);                       // nothing follows from its run, which cannot be written now: it runs again
void mf_retry_loaded(mf_events *events, mf_kept_event *event);   // one that was loaded has ended or moved
uint64_t mf_retry_due(mf_events *events, int64_t delay_ns);      // its place in time
void mf_retry_look(mf_events *events, int64_t delay_ns);         // for what is due, then
// Writes of the event's next step: all or none. When they cannot be made, the event runs again.
void mf_event_move(mf_events *events, mf_kept_event *event, const mf_write *writes, uint32_t n_writes);

// ---- failed.c ----
typedef enum mf_condition {
  MF_CONDITION_SUCCESS,
  MF_CONDITION_RETRIES,
  MF_CONDITION_AGE,
  MF_CONDITION_NO_CONCURRENCY,
  MF_CONDITION_LOOP,
  MF_CONDITION_QUALIFIER,
  MF_CONDITION_DESTINATION,            // it succeeded, and its destination cannot be told
  MF_CONDITIONS,
} mf_condition;
extern const char *const mf_condition_names[];
// The event is over: to its destinations, or kept, or gone.
void mf_event_succeeded(mf_events *events, mf_kept_event *event, const mf_event_policy *policy);
void mf_event_failed(mf_events *events, mf_kept_event *event, const mf_event_policy *policy, mf_condition condition);
bool mf_failed_resume(mf_events *events, mf_error *err) MF_MUST_CHECK;
void mf_failed_trim(mf_events *events);
void mf_failed_count(mf_events *events, int change, size_t bytes);
bool mf_failed_read(mf_slice value, mf_str *reason, mf_slice *row);

// ---- record.c ----
// Lambda's record of an event's end as JSON text. responded: there was a last attempt, whose answer stands in event->event.
bool mf_record_write(mf_events *events, const mf_kept_event *event, mf_condition condition, bool responded, mf_buf *out) MF_MUST_CHECK;
#endif
