// Counting a table's rows: a few at once; many on the copier's thread, through a connection of its own whose transaction began when the
// count was asked for, so that it counts what there was then. Keys alone are walked, never values.
#include <stdio.h>
#include <stdlib.h>

#include "internal.h"

enum { FEW = 1000 };

typedef struct mf_counting {
  mf_store *store;
  sqlite3 *connection;
  mf_table table;
  uint64_t rows;
  mf_store_counted *done;
  void *context;
} counting;

static bool ask(counting *c, uint32_t limit, mf_error *err) {
  char sql[160];
  sqlite3_stmt *statement = NULL;
  if (limit > 0) snprintf(sql, sizeof sql, "SELECT count(*) FROM (SELECT 1 FROM %s LIMIT %u)", mf_database_table_name(c->table), limit);
  else snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", mf_database_table_name(c->table));
  const bool ok = sqlite3_prepare_v2(c->connection, sql, -1, &statement, NULL) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW;
  if (ok) c->rows = (uint64_t)sqlite3_column_int64(statement, 0);
  else mf_fail(err, sqlite3_errcode(c->connection) == SQLITE_NOMEM ? MF_OutOfMemory : MF_Io, "%s cannot be counted: %s",
               mf_database_table_name(c->table), sqlite3_errmsg(c->connection));
  sqlite3_finalize(statement);
  return ok;
}

static void end(counting *c) {
  sqlite3_close(c->connection);
  free(c);
}

static bool count_all(void *context, mf_error *err) { return ask(context, 0, err); }

static void counted(void *context, const mf_error *err) {
  counting *c = context;
  c->store->counting = NULL;
  c->done(c->context, err ? 0 : c->rows, err);
  end(c);
}

static bool open_once_more(counting *c, mf_error *err) {
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const char *path = sqlite3_db_filename(c->store->reader.connection, "main");
  if (sqlite3_open_v2(path, &c->connection, flags, NULL) == SQLITE_OK && sqlite3_exec(c->connection, "BEGIN", NULL, NULL, NULL) == SQLITE_OK) return true;
  return mf_fail(err, c->connection ? MF_Io : MF_OutOfMemory, "%s: cannot be opened once more", path);
}

bool mf_store_count(mf_store *store, mf_table table, mf_store_counted *done, void *context, mf_error *err) {
  if (store->counting) return mf_fail(err, MF_Conflict, "a table is being counted");
  counting *c = calloc(1, sizeof *c);
  if (!c) return mf_fail(err, MF_OutOfMemory, "no memory to count rows");
  *c = (counting){.store = store, .table = table, .done = done, .context = context};
  bool ok = open_once_more(c, err) && ask(c, FEW + 1, err);
  if (ok && c->rows > FEW && (ok = mf_store_run(store, count_all, counted, c, err))) {
    store->counting = c;
    return true;
  }
  if (ok) done(context, c->rows, NULL);
  end(c);
  return ok;
}

void mf_store_count_stop(mf_store *store) {
  if (store->counting) sqlite3_interrupt(store->counting->connection);
}
