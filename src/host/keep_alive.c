// Histories: a hash table with a list in order of use, and a list of those that changed since they were handed over.
#include "keep_alive.h"

#include <stdlib.h>

#include "internal.h"

#define SAVE_EVERY_NS (30 * MF_NS_PER_S)
#define SAVE_ON_NS (100 * MF_NS_PER_MS)  // when there are more than fit into one round of the loop
enum { SAVED_AT_ONCE = 256, TIME_BYTES = 8 };

static bool is_hybrid(const mf_host *host) { return host->options.keep_alive_ns == MF_KEEP_ALIVE_HYBRID; }

// ---- the tests' clock: their minute may be shorter ----
static int64_t minute_of(const mf_host *host) { return host->options.minute_ns ? host->options.minute_ns : MF_POLICY_BIN_NS; }
static int64_t to_policy(const mf_host *host, int64_t ns) { return host->options.minute_ns ? ns * (MF_POLICY_BIN_NS / host->options.minute_ns) : ns; }
static int64_t from_policy(const mf_host *host, int64_t ns) { return host->options.minute_ns ? ns / (MF_POLICY_BIN_NS / host->options.minute_ns) : ns; }

// ---- the table ----

static uint64_t hash_of(mf_str key) { return mf_hash64(key.data, key.len, 0); }

static mf_history **bucket_of(mf_host *host, uint64_t hash) { return &host->histories.buckets[hash % MF_HISTORY_BUCKETS]; }

static void link_newest(mf_histories *all, mf_history *history) {
  history->newer = NULL;
  history->older = all->newest;
  if (history->older) history->older->newer = history;
  else all->oldest = history;
  all->newest = history;
}

static void unlink_order(mf_histories *all, mf_history *history) {
  if (history->newer) history->newer->older = history->older;
  else all->newest = history->older;
  if (history->older) history->older->newer = history->newer;
  else all->oldest = history->newer;
}

static mf_history *find(mf_host *host, mf_str key, uint64_t hash) {
  mf_history *history = *bucket_of(host, hash);
  while (history && !(history->hash == hash && mf_str_equal((mf_str){history->key, history->key_len}, key))) history = history->chain;
  return history;
}

// What is in the list of changed ones leaves it with the next round.
static void unchain(mf_host *host, mf_history *history) {
  mf_history **at = bucket_of(host, history->hash);
  while (*at != history) at = &(*at)->chain;
  *at = history->chain;
  unlink_order(&host->histories, history);
  host->histories.count--;
}

static void drop(mf_host *host, mf_history *history) {
  mf_loop_timer_cancel(host->loop, &history->expected);
  unchain(host, history);
  for (mf_history **at = &host->histories.changed; history->changed && *at; at = &(*at)->next_changed) {
    if (*at != history) continue;
    *at = history->next_changed;
    break;
  }
  free(history);
}

// ---- kept by the owner: the time of the last call's end in 8 bytes, least first, and the packed policy ----

static void save(mf_host *host, mf_history *history) {
  uint8_t packed[MF_HISTORY_BYTES];
  for (int i = 0; i < TIME_BYTES; i++) packed[i] = (uint8_t)((uint64_t)history->ended_ns >> (8 * i));
  const size_t len = TIME_BYTES + mf_policy_pack(&history->policy, packed + TIME_BYTES);
  const mf_history_keeper *keeper = &host->options.histories;
  if (keeper->save) keeper->save(keeper->context, (mf_str){history->key, history->key_len}, (mf_slice){packed, len});
}

// One that cannot be read begins anew.
static void load(mf_host *host, mf_history *history) {
  uint8_t packed[MF_HISTORY_BYTES];
  const mf_history_keeper *keeper = &host->options.histories;
  const size_t len = keeper->load ? keeper->load(keeper->context, (mf_str){history->key, history->key_len}, packed, sizeof packed) : 0;
  if (len <= TIME_BYTES || !mf_policy_unpack(&history->policy, (mf_slice){packed + TIME_BYTES, len - TIME_BYTES})) return;
  uint64_t ended = 0;
  for (int i = 0; i < TIME_BYTES; i++) ended |= (uint64_t)packed[i] << (8 * i);
  history->ended_ns = ended <= INT64_MAX ? (int64_t)ended : 0;
}

static void changed(mf_host *host, mf_history *history) {
  if (history->changed) return;
  history->changed = true;
  history->next_changed = host->histories.changed;
  host->histories.changed = history;
}

// The first `most` of those that changed; true: there are more.
static bool save_changed(mf_host *host, uint32_t most) {
  for (; host->histories.changed && most > 0; most--) {
    mf_history *history = host->histories.changed;
    host->histories.changed = history->next_changed;
    history->changed = false;
    save(host, history);
  }
  return host->histories.changed != NULL;
}

static void on_save(mf_timer *timer) {
  mf_host *host = timer->data;
  mf_error err;
  const bool more = save_changed(host, SAVED_AT_ONCE);
  if (!mf_loop_timer_set(host->loop, timer, mf_now_ns() + (more ? SAVE_ON_NS : SAVE_EVERY_NS), &err))
    mf_log(MF_LOG_WARN, "idle times are no longer stored: %s", err.message);
}

// ---- pre-warming ----

static void on_expected(mf_timer *timer) {
  const mf_history *history = timer->data;
  const mf_host_options *options = &history->host->options;
  options->expected(options->context, (mf_str){history->key, history->key_len});
}

void mf_history_left(mf_host *host, mf_history *history) {
  mf_error err;
  if (!history || !host->options.expected || host->draining) return;
  const mf_policy_decision d = mf_policy_decide(&history->policy);
  const int64_t left_ns = from_policy(host, d.pre_warm_after_ns) - (mf_wall_ns() - history->ended_ns);
  if (d.pre_warm_after_ns == 0 || left_ns <= 0) return;
  if (!mf_loop_timer_set(host->loop, &history->expected, mf_now_ns() + left_ns, &err)) mf_log(MF_LOG_DEBUG, "the next call is cold: %s", err.message);
}

// ---- opening ----

static void make_room(mf_host *host) {
  for (mf_history *history = host->histories.oldest, *newer; history && host->histories.count >= MF_HISTORIES; history = newer) {
    newer = history->newer;
    if (history->in_use) continue;
    if (history->changed) save(host, history);
    drop(host, history);
  }
}

static mf_history *add(mf_host *host, mf_str key, uint64_t hash) {
  make_room(host);
  mf_history *history = calloc(1, sizeof *history + key.len);
  if (!history) return NULL;
  history->host = host;
  history->expected = (mf_timer){.fire = on_expected, .data = history};
  history->hash = hash;
  history->key_len = (uint32_t)key.len;
  memcpy(history->key, key.data, key.len);
  mf_history **bucket = bucket_of(host, hash);
  history->chain = *bucket;
  *bucket = history;
  link_newest(&host->histories, history);
  host->histories.count++;
  load(host, history);
  return history;
}

mf_history *mf_history_open(mf_host *host, mf_str key) {
  if (!is_hybrid(host)) return NULL;
  const uint64_t hash = hash_of(key);
  mf_history *history = find(host, key, hash);
  if (history) {
    unlink_order(&host->histories, history);
    link_newest(&host->histories, history);
  } else {
    history = add(host, key, hash);
  }
  if (history) history->in_use = true;
  return history;
}

void mf_history_close(mf_history *history) {
  if (history) history->in_use = false;
}

void mf_history_forget(mf_host *host, mf_str key) {
  mf_history *history = find(host, key, hash_of(key));
  if (history) drop(host, history);
}

// ---- calls ----

void mf_history_began(mf_host *host, mf_history *history) {
  if (!history) return;
  mf_loop_timer_cancel(host->loop, &history->expected);
  if (history->ended_ns > 0) mf_policy_note(&history->policy, to_policy(host, mf_wall_ns() - history->ended_ns), 1);
}

void mf_history_ended(mf_host *host, mf_history *history) {
  if (!history) return;
  history->ended_ns = mf_wall_ns();
  changed(host, history);
}

// ---- what follows ----

static const mf_policy unknown;

int64_t mf_history_stay_ns(const mf_host *host, const mf_history *history, bool pre_warmed, int64_t idle_ns) {
  if (!is_hybrid(host)) return host->options.keep_alive_ns;
  const mf_policy_decision d = mf_policy_decide(history ? &history->policy : &unknown);
  const int64_t before = from_policy(host, d.pre_warm_after_ns), after = from_policy(host, d.keep_alive_for_ns);
  if (pre_warmed || before == 0) return after;
  return idle_ns < before ? 0 : before + after;  // whose time has come is not unloaded
}

int64_t mf_history_look_again_ns(const mf_host *host) { return is_hybrid(host) ? minute_of(host) : INT64_MAX; }

double mf_history_worth(const mf_host *host, const mf_history *history, int64_t idle_ns, uint64_t bytes) {
  return mf_policy_next_call(history ? &history->policy : &unknown, to_policy(host, idle_ns)) / (double)MF_MAX(bytes, UINT64_C(1));
}

// ---- life ----

bool mf_histories_init(mf_host *host, mf_error *err) {
  host->save_histories = (mf_timer){.fire = on_save, .data = host};
  return !is_hybrid(host) || mf_loop_timer_set(host->loop, &host->save_histories, mf_now_ns() + SAVE_EVERY_NS, err);
}

void mf_histories_deinit(mf_host *host) {
  mf_loop_timer_cancel(host->loop, &host->save_histories);
  save_changed(host, UINT32_MAX);
  for (mf_history *history = host->histories.oldest, *newer; history; history = newer) {
    newer = history->newer;
    mf_loop_timer_cancel(host->loop, &history->expected);
    free(history);
  }
  host->histories = (mf_histories){0};
}
