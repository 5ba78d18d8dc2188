// What each function was billed for, day by day (UTC): a row for each day on which it was called, for 400 days. Rows stay when the function
// goes, since what was used was used. Versions and aliases count for their function.
//
// The table `days`: "region/2026-11-30/name" -> "calls on-demand first run kept", decimal. on-demand, run and kept: megabytes times the
// milliseconds billed on demand, on provisioned concurrency, and for keeping that (standby.h); first: when the first call of the day was counted,
// milliseconds since 1970. Rows of before end sooner.
#ifndef MF_SERVICES_LAMBDA_DAYS_H
#define MF_SERVICES_LAMBDA_DAYS_H

#include "internal.h"

enum { MF_DAYS_KEPT = 400, MF_DAY_TEXT = 10 };

// A call of the function that was billed; what is counted is written with the function's counters.
void mf_day_count(mf_lambda_cache *functions, mf_lambda_entry *function, uint64_t billed_ms, uint32_t memory_mb, bool provisioned);
struct mf_writes;
// The write that adds to a row, for a commit of the caller's.
bool mf_day_add(mf_store *store, mf_str key, uint32_t day, const mf_billed *more, struct mf_writes *writes, mf_error *err) MF_MUST_CHECK;
// Deletes rows that are too old: once a day, some at a time.
void mf_days_sweep(mf_lambda *lambda);

// Days since 1970-01-01.
uint32_t mf_day_today(void);
void mf_day_format(uint32_t day, char text[MF_DAY_TEXT + 1]);
bool mf_day_parse(mf_str text, uint32_t *day);  // "2026-11-30", a day that there is
bool mf_day_parse_row(mf_slice value, mf_billed *billed);  // false: it cannot be read

// cost.c: GET /_mayfly/cost and /_mayfly/cost/NAME
void mf_cost_of_all(mf_http_request *http, const mf_principal *principal, void *context);
void mf_cost_of_function(mf_http_request *http, const mf_principal *principal, void *context);
#endif
