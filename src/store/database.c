// SQLite in WAL mode with synchronous FULL: a commit returns after its fsync. Each table is (key BLOB, value BLOB), ordered by bytes.
#include "database.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static const char *const table_names[MF_TABLE_COUNT] = {
#define MF_TABLE(name, what) #name,
#include "tables.def"
#undef MF_TABLE
};

const char *mf_database_table_name(mf_table table) { return table_names[table]; }

// upgrades[v]: from schema v to v + 1. Tables of tables.def are made when missing, whatever the version; a row here is for what else
// changes. Version 0 is an empty file.
static const char *const upgrades[MF_SCHEMA_VERSION] = {
    "",
};

static bool fail(mf_database *database, const char *what, mf_error *err) {
  sqlite3 *connection = database->connection;
  if (!connection) return mf_fail(err, MF_OutOfMemory, "database: %s: no memory", what);
  int code = sqlite3_errcode(connection);
  int number = sqlite3_system_errno(connection);
  mf_code kind = MF_Io;
  if (code == SQLITE_FULL || number == ENOSPC || number == EDQUOT || number == EFBIG) kind = MF_NoSpace;
  else if (code == SQLITE_NOMEM) kind = MF_OutOfMemory;
  else if (code == SQLITE_PERM || code == SQLITE_READONLY || code == SQLITE_CANTOPEN) kind = MF_Permission;
  return mf_fail(err, kind, "database: %s: %s", what, sqlite3_errmsg(connection));
}

static bool execute(mf_database *database, const char *sql, mf_error *err) {
  if (sqlite3_exec(database->connection, sql, NULL, NULL, NULL) != SQLITE_OK) return fail(database, sql, err);
  return true;
}

static sqlite3_stmt *prepare(mf_database *database, const char *sql, mf_error *err) {
  sqlite3_stmt *statement = NULL;
  if (sqlite3_prepare_v3(database->connection, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) != SQLITE_OK)
    fail(database, sql, err);
  return statement;
}

static bool prepare_table(mf_database *database, int table, mf_error *err) {
  char sql[160];
  snprintf(sql, sizeof sql, "SELECT value FROM %s WHERE key = ?1", table_names[table]);
  if (!(database->get[table] = prepare(database, sql, err))) return false;
  snprintf(sql, sizeof sql, "INSERT OR REPLACE INTO %s (key, value) VALUES (?1, ?2)", table_names[table]);
  if (!(database->put[table] = prepare(database, sql, err))) return false;
  snprintf(sql, sizeof sql, "DELETE FROM %s WHERE key = ?1", table_names[table]);
  return (database->erase[table] = prepare(database, sql, err)) != NULL;
}

static bool prepare_all(mf_database *database, mf_error *err) {
  for (int table = 0; table < MF_TABLE_COUNT; table++)
    if (!prepare_table(database, table, err)) return false;
  return (database->begin = prepare(database, "BEGIN IMMEDIATE", err)) && (database->commit = prepare(database, "COMMIT", err)) &&
         (database->rollback = prepare(database, "ROLLBACK", err));
}

static bool read_version(mf_database *database, uint32_t *version, mf_error *err) {
  sqlite3_stmt *statement = prepare(database, "PRAGMA user_version", err);
  if (!statement) return false;
  bool ok = sqlite3_step(statement) == SQLITE_ROW || fail(database, "PRAGMA user_version", err);
  if (ok) *version = (uint32_t)sqlite3_column_int(statement, 0);
  sqlite3_finalize(statement);
  return ok;
}

static bool upgrade(mf_database *database, uint32_t from, mf_error *err) {
  char sql[200];
  for (uint32_t version = from; version < MF_SCHEMA_VERSION; version++)
    if (!execute(database, upgrades[version], err)) return false;
  for (int table = 0; table < MF_TABLE_COUNT; table++) {
    snprintf(sql, sizeof sql, "CREATE TABLE IF NOT EXISTS %s (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
             table_names[table]);
    if (!execute(database, sql, err)) return false;
  }
  snprintf(sql, sizeof sql, "PRAGMA user_version = %d", MF_SCHEMA_VERSION);
  return from == MF_SCHEMA_VERSION || execute(database, sql, err);
}

// One transaction, then a checkpoint, so that the version stands in the file's own header, where mf_database_peek_version looks. A file
// that is up to date is not written: a server starts on a full disk.
static bool bring_up_to_date(mf_database *database, const char *path, mf_error *err) {
  uint32_t version = 0;
  if (!read_version(database, &version, err) || !mf_database_check_version(path, version, err)) return false;
  if (!execute(database, "BEGIN IMMEDIATE", err)) return false;
  if (!upgrade(database, version, err)) {
    sqlite3_exec(database->connection, "ROLLBACK", NULL, NULL, NULL);
    return false;
  }
  if (!execute(database, "COMMIT", err)) return false;
  mf_database_checkpoint(database);
  return true;
}

bool mf_database_open(mf_database *database, const char *path, mf_error *err) {
  *database = (mf_database){0};
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  bool ok = sqlite3_open_v2(path, &database->connection, flags, NULL) == SQLITE_OK || fail(database, path, err);
  if (ok) sqlite3_busy_timeout(database->connection, 10000);
  ok = ok && execute(database, "PRAGMA auto_vacuum = INCREMENTAL", err) && execute(database, "PRAGMA journal_mode = WAL", err) && execute(database, "PRAGMA synchronous = FULL", err) &&
       execute(database, "PRAGMA cache_size = -2000", err) && bring_up_to_date(database, path, err) && prepare_all(database, err);
  if (!ok) mf_database_close(database);
  return ok || mf_wrap(err, "%s", path);
}

void mf_database_close(mf_database *database) {
  for (int table = 0; table < MF_TABLE_COUNT; table++) {
    sqlite3_finalize(database->get[table]);
    sqlite3_finalize(database->put[table]);
    sqlite3_finalize(database->erase[table]);
  }
  sqlite3_finalize(database->begin);
  sqlite3_finalize(database->commit);
  sqlite3_finalize(database->rollback);
  sqlite3_close(database->connection);
  *database = (mf_database){0};
}

// Runs a statement without rows.
static bool run(mf_database *database, sqlite3_stmt *statement, const char *what, mf_error *err) {
  bool ok = sqlite3_step(statement) == SQLITE_DONE || fail(database, what, err);
  sqlite3_reset(statement);
  return ok;
}

bool mf_database_begin(mf_database *database, mf_error *err) { return run(database, database->begin, "cannot begin", err); }
bool mf_database_commit(mf_database *database, mf_error *err) { return run(database, database->commit, "cannot commit", err); }

void mf_database_rollback(mf_database *database) {
  if (!sqlite3_get_autocommit(database->connection)) sqlite3_step(database->rollback);
  sqlite3_reset(database->rollback);
}

// An empty BLOB and NULL are different things to SQLite: "" stands for empty.
static int bind(sqlite3_stmt *statement, int at, const void *data, size_t len) {
  return sqlite3_bind_blob64(statement, at, len > 0 ? data : "", len, SQLITE_STATIC);
}

bool mf_database_write(mf_database *database, mf_table table, mf_str key, mf_slice value, mf_error *err) {
  sqlite3_stmt *statement = value.data ? database->put[table] : database->erase[table];
  bool ok = bind(statement, 1, key.data, key.len) == SQLITE_OK &&
            (!value.data || bind(statement, 2, value.data, value.len) == SQLITE_OK);
  ok = ok ? run(database, statement, table_names[table], err) : fail(database, table_names[table], err);
  sqlite3_clear_bindings(statement);
  return ok;
}

static bool copy_column(sqlite3_stmt *statement, int column, mf_arena *arena, mf_slice *out, mf_error *err) {
  const void *data = sqlite3_column_blob(statement, column);
  size_t len = (size_t)sqlite3_column_bytes(statement, column);
  mf_str copy = mf_str_copy(arena, (mf_str){data, len});
  *out = (mf_slice){copy.data, copy.len};
  return copy.data || mf_fail(err, MF_OutOfMemory, "no memory for a row of %zu bytes", len);
}

bool mf_database_get(mf_database *database, mf_table table, mf_str key, mf_arena *arena, mf_slice *value, bool *found, mf_error *err) {
  sqlite3_stmt *statement = database->get[table];
  *found = false;
  bool ok = bind(statement, 1, key.data, key.len) == SQLITE_OK || fail(database, table_names[table], err);
  ok = ok && mf_database_step(database, statement, found, err);
  if (ok && *found) ok = copy_column(statement, 0, arena, value, err);
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
  return ok;
}

// The least key that is greater than every key with the prefix: its last byte below 0xff, raised by one; len 0 when there is none.
static bool prefix_end(mf_str prefix, mf_arena *arena, mf_str *end) {
  while (prefix.len > 0 && (unsigned char)prefix.data[prefix.len - 1] == 0xff) prefix.len--;
  *end = mf_str_copy(arena, prefix);
  if (!end->data) return false;
  if (prefix.len > 0) ((char *)(uintptr_t)end->data)[prefix.len - 1]++;
  return true;
}

// Rows with key > after and the prefix, in the given order.
static sqlite3_stmt *scan(mf_database *database, mf_table table, const char *columns, mf_str prefix, mf_str after, const char *order, mf_arena *arena,
                          mf_error *err) {
  char sql[200];
  mf_str end;
  if (!prefix_end(prefix, arena, &end)) {
    mf_fail(err, MF_OutOfMemory, "no memory for a scan");
    return NULL;
  }
  snprintf(sql, sizeof sql, "SELECT %s FROM %s WHERE key > ?1 AND key >= ?2%s ORDER BY key%s", columns, table_names[table],
           end.len > 0 ? " AND key < ?3" : "", order);
  sqlite3_stmt *statement = prepare(database, sql, err);
  if (!statement) return NULL;
  // The bound texts must outlive the statement: `end` is in the arena, prefix and after are the caller's.
  bool ok = bind(statement, 1, after.data, after.len) == SQLITE_OK && bind(statement, 2, prefix.data, prefix.len) == SQLITE_OK &&
            (end.len == 0 || bind(statement, 3, end.data, end.len) == SQLITE_OK);
  if (ok) return statement;
  fail(database, sql, err);
  sqlite3_finalize(statement);
  return NULL;
}

sqlite3_stmt *mf_database_scan(mf_database *database, mf_table table, mf_str prefix, mf_str after, mf_arena *arena, mf_error *err) {
  return scan(database, table, "key, value", prefix, after, "", arena, err);
}

sqlite3_stmt *mf_database_scan_back(mf_database *database, mf_table table, mf_str prefix, mf_arena *arena, mf_error *err) {
  return scan(database, table, "key", prefix, MF_STR(""), " DESC", arena, err);
}

bool mf_database_step(mf_database *database, sqlite3_stmt *statement, bool *row, mf_error *err) {
  int code = sqlite3_step(statement);
  *row = code == SQLITE_ROW;
  return code == SQLITE_ROW || code == SQLITE_DONE || fail(database, "cannot read", err);
}

uint64_t mf_database_unused_bytes(mf_database *database) {
  sqlite3_stmt *statement = NULL;
  uint64_t pages = 0;
  if (sqlite3_prepare_v2(database->connection, "PRAGMA freelist_count", -1, &statement, NULL) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
    pages = (uint64_t)sqlite3_column_int64(statement, 0);
  sqlite3_finalize(statement);
  return pages * MF_DATABASE_PAGE;
}

void mf_database_shrink(mf_database *database, uint64_t bytes) {
  char sql[80];
  snprintf(sql, sizeof sql, "PRAGMA incremental_vacuum(%llu)", (unsigned long long)(bytes / MF_DATABASE_PAGE));
  sqlite3_exec(database->connection, sql, NULL, NULL, NULL);  // what fails stays as it is
}

bool mf_database_checkpoint(mf_database *database) {
  return sqlite3_wal_checkpoint_v2(database->connection, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) == SQLITE_OK;
}

bool mf_database_peek_version(const char *path, uint32_t *version, mf_error *err) {
  // https://www.sqlite.org/fileformat2.html#the_database_header: the magic in bytes 0..15, user_version big-endian in 60..63.
  unsigned char header[64];
  *version = 0;
  OWN_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT || mf_fail_errno(err, "%s", path);
  ssize_t n = read(fd, header, sizeof header);
  if (n < 0) return mf_fail_errno(err, "%s", path);
  if (n == 0) return true;
  if (n < (ssize_t)sizeof header || memcmp(header, "SQLite format 3", 16) != 0)
    return mf_fail(err, MF_Io, "%s: is not a database of Mayfly's", path);
  *version = (uint32_t)header[60] << 24 | (uint32_t)header[61] << 16 | (uint32_t)header[62] << 8 | header[63];
  return true;
}

bool mf_database_check_version(const char *path, uint32_t version, mf_error *err) {
  if (version <= MF_SCHEMA_VERSION) return true;
  return mf_fail(err, MF_Unsupported, "%s: was written by a newer Mayfly (schema %u, this one knows %d): install that version again", path,
                 version, MF_SCHEMA_VERSION);
}
