// The SQLite file: opening, schema, and the statements over its tables. A connection belongs to one thread.
#ifndef MF_STORE_DATABASE_H
#define MF_STORE_DATABASE_H

#include <sqlite3.h>

#include "store.h"

#define MF_DATABASE_FILE "mayfly.db"
// Raise it together with a new row in database.c's list of upgrades.
enum { MF_SCHEMA_VERSION = 1, MF_MAX_VALUE_BYTES = 4 << 20, MF_MAX_KEY_BYTES = 1024, MF_DATABASE_PAGE = 4096 };

typedef struct mf_database {
  sqlite3 *connection;
  sqlite3_stmt *get[MF_TABLE_COUNT], *put[MF_TABLE_COUNT], *erase[MF_TABLE_COUNT];
  sqlite3_stmt *begin, *commit, *rollback;
} mf_database;

const char *mf_database_table_name(mf_table table);
// Opens or makes the file, refuses a newer schema, upgrades an older one.
bool mf_database_open(mf_database *database, const char *path, mf_error *err) MF_MUST_CHECK;
void mf_database_close(mf_database *database);

bool mf_database_begin(mf_database *database, mf_error *err) MF_MUST_CHECK;
bool mf_database_write(mf_database *database, mf_table table, mf_str key, mf_slice value, mf_error *err) MF_MUST_CHECK;
bool mf_database_commit(mf_database *database, mf_error *err) MF_MUST_CHECK;  // returns after the sync
void mf_database_rollback(mf_database *database);
bool mf_database_get(mf_database *database, mf_table table, mf_str key, mf_arena *arena, mf_slice *value, bool *found, mf_error *err)
    MF_MUST_CHECK;
// Rows with key > after and the prefix, in byte order: a statement to step; NULL on failure.
sqlite3_stmt *mf_database_scan(mf_database *database, mf_table table, mf_str prefix, mf_str after, mf_arena *arena, mf_error *err)
    MF_MUST_CHECK;
// The same keys, the last one first.
sqlite3_stmt *mf_database_scan_back(mf_database *database, mf_table table, mf_str prefix, mf_arena *arena, mf_error *err) MF_MUST_CHECK;
// *row true: a row is there to read; false: the end.
bool mf_database_step(mf_database *database, sqlite3_stmt *statement, bool *row, mf_error *err) MF_MUST_CHECK;
uint64_t mf_database_unused_bytes(mf_database *database);  // pages of deleted rows, which new ones get first
// Moves pages from the file's end into unused ones and ends the file before them, at most so many. (A file of before Mayfly 0.1's
// auto_vacuum stays as long as it is.)
void mf_database_shrink(mf_database *database, uint64_t bytes);
bool mf_database_checkpoint(mf_database *database);  // false: not all of it, which stays in the log
// The schema version in the header of the file at `path`, without SQLite: 0 when there is no file yet.
bool mf_database_peek_version(const char *path, uint32_t *version, mf_error *err) MF_MUST_CHECK;
bool mf_database_check_version(const char *path, uint32_t version, mf_error *err) MF_MUST_CHECK;
#endif
