// Who may look at the data directory: its owner, whatever umask and permissions it was made with.
#ifndef MF_STORE_PRIVATE_H
#define MF_STORE_PRIVATE_H

#include "base/base.h"

// Takes everybody else's permissions from all that is ours in the directory, and from the directory itself unless it is shared with others:
// then a warning says so. Call it with the lock held.
bool mf_store_make_private(const char *directory, mf_error *err) MF_MUST_CHECK;
#endif
