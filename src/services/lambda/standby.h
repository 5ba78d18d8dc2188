// How long provisioned concurrency was kept, as AWS bills it: all instances that are configured, times their memory, from when a
// configuration is put until it is changed or goes, with its version, alias or function; rounded up to five minutes.
//
// Nothing counts meanwhile. A configuration that there is has been kept since its LastModified ("kept_from" in its row, when its alias was
// pointed to versions of another size since), so a kill forgets nothing; what one has kept that ends goes into the rows of its days (days.h),
// in the commit that ends it. Time in which the server was down counts: the configuration stood.
#ifndef MF_SERVICES_LAMBDA_STANDBY_H
#define MF_SERVICES_LAMBDA_STANDBY_H

#include "days.h"
#include "index.h"
#include "provisioned.h"

typedef struct mf_standby {
  uint32_t first_day;
  uint64_t mb_ms[MF_DAYS_KEPT + 1];  // of each day from then on; what was before is forgotten
} mf_standby;
void mf_standby_init(mf_standby *kept, uint32_t today);
// So many megabytes from a moment to another (wall clock); what is rounded up counts for the last day.
void mf_standby_add(mf_standby *kept, int64_t from_ms, int64_t until_ms, uint64_t mb);
uint64_t mf_standby_since(const mf_standby *kept, uint32_t day);

// What each configuration whose key has the prefix ("region/" or "region/name:") has kept until now.
typedef void mf_standby_each(void *context, mf_str function_key, const mf_standby *kept);
bool mf_standby_open(mf_store *store, mf_str prefix, mf_standby_each *each, void *context, mf_error *err) MF_MUST_CHECK;

// The writes that count what a change ends; they go with it.
bool mf_standby_change(mf_store *store, mf_str function_key, const mf_provision_change *change, mf_writes *writes, mf_error *err) MF_MUST_CHECK;

// A function that is deleted. Its deletion must succeed on a full disk, so what it kept is written afterwards: mf_standby_end says what
// (NULL: nothing; the caller's to free), mf_standby_write writes it.
bool mf_standby_end(mf_store *store, mf_str function_key, mf_standby **kept, mf_error *err) MF_MUST_CHECK;
void mf_standby_write(mf_store *store, mf_str function_key, const mf_standby *kept);
#endif
