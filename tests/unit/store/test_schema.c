// The data directory: its lock and the version of its schema.
#include <sqlite3.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "world.h"

static void execute(world *w, const char *sql) {
  char path[128];
  sqlite3 *db;
  snprintf(path, sizeof path, "%s/mayfly.db", w->directory);
  assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
  if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) fail_msg("%s: %s", sql, sqlite3_errmsg(db));
  sqlite3_close(db);
}

static void a_newer_schema_is_refused_and_left_alone(void **state) {
  (void)state;
  world w;
  int lock;
  world_begin(&w);
  world_open(&w);
  world_close(&w);
  execute(&w, "PRAGMA user_version = 999");
  assert_false(mf_store_lock(w.directory, &lock, &w.err));
  assert_int_equal(w.err.code, MF_Unsupported);
  assert_non_null(strstr(w.err.message, "999"));
  w.loop = mf_loop_create(&w.err);
  assert_null(mf_store_open(w.directory, w.loop, &w.err));
  assert_int_equal(w.err.code, MF_Unsupported);
  mf_loop_destroy(w.loop);
  world_end(&w);
}

static void an_older_schema_is_upgraded_and_keeps_its_rows(void **state) {
  (void)state;
  world w;
  world_begin(&w);
  // Version 0 with one of the tables only, as if the others had been added since.
  execute(&w, "CREATE TABLE functions (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
              "INSERT INTO functions VALUES (CAST('f' AS BLOB), CAST('kept' AS BLOB))");
  world_open(&w);
  outcome o = {0};
  assert_string_equal(world_get(&w, MF_TABLE_functions, "f"), "kept");
  world_put(&w, MF_TABLE_images, "i", "x", &o);
  world_wait(&w, &o.calls, 1);
  assert_int_equal(o.failures, 0);
  world_end(&w);
}

static void a_file_that_is_no_database_is_refused(void **state) {
  (void)state;
  world w;
  char path[128];
  int lock;
  world_begin(&w);
  snprintf(path, sizeof path, "%s/mayfly.db", w.directory);
  FILE *file = fopen(path, "w");
  for (int i = 0; i < 100; i++) fputs("not a database ", file);
  fclose(file);
  assert_false(mf_store_lock(w.directory, &lock, &w.err));
  assert_non_null(strstr(w.err.message, "mayfly.db"));
  world_end(&w);
}

static void the_lock_names_the_process_that_holds_it(void **state) {
  (void)state;
  world w;
  int lock = -1, second = -1, ready[2];
  char pid[32], byte;
  world_begin(&w);
  strcat(w.directory, "/a/b");
  assert_int_equal(pipe(ready), 0);
  pid_t child = fork();
  if (child == 0) {
    bool ok = mf_store_lock(w.directory, &lock, &w.err);
    if (write(ready[1], ok ? "y" : "n", 1) == 1) pause();
    _exit(0);
  }
  assert_int_equal(read(ready[0], &byte, 1), 1);
  assert_int_equal(byte, 'y');
  assert_false(mf_store_lock(w.directory, &second, &w.err));
  assert_int_equal(w.err.code, MF_InUse);
  snprintf(pid, sizeof pid, "%d", (int)child);
  assert_non_null(strstr(w.err.message, pid));
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  assert_true(mf_store_lock(w.directory, &second, &w.err));
  struct stat st;
  assert_int_equal(stat(w.directory, &st), 0);
  assert_int_equal(st.st_mode & 0777, 0700);
  close(second);
  close(ready[0]);
  close(ready[1]);
  w.directory[strlen(w.directory) - 4] = 0;
  world_end(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_newer_schema_is_refused_and_left_alone),
      cmocka_unit_test(an_older_schema_is_upgraded_and_keeps_its_rows),
      cmocka_unit_test(a_file_that_is_no_database_is_refused),
      cmocka_unit_test(the_lock_names_the_process_that_holds_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
