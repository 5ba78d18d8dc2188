// What the host remembers of each function's idle times, and what follows for its instances. A history outlives its function's struct in
// the dispatcher, which ends with the last instance: the gaps that matter most are those after which nothing was left. Histories are
// bounded (MF_HISTORIES, about 10 MB when all are taken; the one used longest ago goes), and are handed to the host's owner to be kept
// over a restart. With a fixed keep-alive there are none.
//
// Times are the wall clock's, so that a gap may span a restart; a clock that is set makes one wrong idle time of hundreds.
#ifndef MF_HOST_KEEP_ALIVE_H
#define MF_HOST_KEEP_ALIVE_H

#include "host.h"

enum { MF_HISTORIES = 16384, MF_HISTORY_BUCKETS = 8192 };

typedef struct mf_history {
  mf_host *host;
  mf_timer expected;           // nothing is left of the function: when an instance is to be made
  struct mf_history *chain, *newer, *older;  // of its bucket; order of use
  struct mf_history *next_changed;
  mf_policy policy;
  int64_t ended_ns;            // the last call; 0: there was none
  uint64_t hash;
  bool in_use, changed;        // by a function of the dispatcher; not handed to the owner yet
  uint32_t key_len;
  char key[];
} mf_history;

typedef struct mf_histories {
  mf_history *buckets[MF_HISTORY_BUCKETS];
  mf_history *newest, *oldest, *changed;
  uint32_t count;
} mf_histories;

// From memory, from the owner, or new; NULL: no memory, or fixed keep-alive.
mf_history *mf_history_open(mf_host *host, mf_str key);
void mf_history_close(mf_history *history);                  // stays remembered; NULL is nothing
void mf_history_forget(mf_host *host, mf_str key);           // as if the function had never been; whoever has it open lets go of it
void mf_history_began(mf_host *host, mf_history *history);   // a call, after nothing ran
void mf_history_ended(mf_host *host, mf_history *history);   // the last of the calls that ran
// How long an idle instance stays, by the fixed time or the policy. pre_warmed: it was made for a call that is expected; else it ran the last
// one, idle_ns ago.
int64_t mf_history_stay_ns(const mf_host *host, const mf_history *history, bool pre_warmed, int64_t idle_ns);
void mf_history_left(mf_host *host, mf_history *history);    // the last instance that ran a call has gone: another one is made when it is time
int64_t mf_history_look_again_ns(const mf_host *host);      // a stay may have become shorter meanwhile; INT64_MAX: never does
// What an idle instance is worth: the probability of a call soon, for each megabyte that it holds.
double mf_history_worth(const mf_host *host, const mf_history *history, int64_t idle_ns, uint64_t bytes);
bool mf_histories_init(mf_host *host, mf_error *err) MF_MUST_CHECK;
void mf_histories_deinit(mf_host *host);                     // hands over what changed
#endif
