// The reserve: a file in the data directory that does nothing but take room. Deleting takes some too, for SQLite writes a deletion into
// its log before anything becomes free; when the disk is full, the reserve goes so that the deletion can be written, and is made again
// when there is room. A start that finds no room without it gives it up as well, so that a server starts on a full disk; it does not where it
// can start with it, for SQLite, which copies its log into the database at the first opportunity, would take all of it.
#ifndef MF_STORE_RESERVE_H
#define MF_STORE_RESERVE_H

#include "base/base.h"

#define MF_RESERVE_FILE "reserve"
// A deletion writes a dozen pages of 4 kB; a start writes the index of SQLite's log (32 kB) and the endpoint's file.
enum { MF_RESERVE_BYTES = 512 << 10, MF_RESERVE_STEP_BYTES = 64 << 10 };

uint64_t mf_reserve_room(int directory_fd);  // bytes that are free beside it
bool mf_reserve_refuse(uint64_t room, uint64_t needed, mf_error *err);  // false: what says that the disk is as good as full
#define MF_SPARE_ROOM ((uint64_t)256 << 10)  // is left for deletions, beside the reserve
// Makes it or makes it larger, of at most half the room there is. When there is none, that is no failure.
void mf_reserve_make(int directory_fd);
// false: there was none to give.
bool mf_reserve_give_up(int directory_fd);
#endif
