// The whole front: each input is a sequence of requests to one server, whose operations, members
// and their limits are taken from the services' own tables (front_request.h, front_value.h). The
// server is the real one but for sockets and workers (front_world.h). What must hold: no crash, no
// leak; every answer is one that AWS documents (front_check.h); and what was read before the server
// was stopped is read the same after it was started again.
#include <sanitizer/lsan_interface.h>
#include <stdio.h>
#include <stdlib.h>

#include "front_check.h"

enum { LONGEST = 48, READS = 12, PATIENCE_S = 10, LEAKS_EVERY = 512 };

typedef struct reading {
  front_asked asked;
  mf_str answer;  // without what differs from one time to the next
  int status;
} reading;

typedef struct sequence {
  mf_arena arena;
  front_kept kept;
  front_credentials session;
  reading reads[READS];
  uint32_t n_reads;
} sequence;

// ---- reading again ----
static bool is_read(const front_target *target) {
  if (target->protocol == FRONT_LAMBDA)
    return target->supported && strcmp(target->method, "GET") == 0;
  const char *name =
      target->protocol == FRONT_RPC && target->supported && strcmp(target->service, "sts") != 0
          ? target->operation
          : "";
  return strncmp(name, "Get", 3) == 0 || strncmp(name, "List", 4) == 0 ||
         strncmp(name, "Describe", 8) == 0 || strncmp(name, "Filter", 6) == 0;
}

static bool is_same(const front_asked *a, const front_asked *b) {
  return a->target == b->target && mf_str_equal(a->request.target, b->request.target) &&
         mf_str_equal(a->region, b->region) && a->request.body.len == b->request.body.len &&
         memcmp(a->request.body.data, b->request.body.data, a->request.body.len) == 0;
}

static void remember(sequence *s, const front_asked *asked) {
  if (s->n_reads == READS || !is_read(asked->target) || !asked->well_signed) return;
  for (uint32_t i = 0; i < s->n_reads; i++)
    if (is_same(&s->reads[i].asked, asked)) return;
  s->reads[s->n_reads++].asked = *asked;
}

// Blanks what a new answer says anew: the request's id, and where a package can be had for the next
// ten minutes.
static void blank(mf_str text, const char *before, char end) {
  char *at = text.len ? memmem(text.data, text.len, before, strlen(before)) : NULL;
  for (at = at ? at + strlen(before) : NULL; at && *at && *at != end; at++) *at = '-';
}

static mf_str read_once(sequence *s, front_asked *asked, int *status) {
  world_answer answer;
  front_ask_again(asked, &s->arena);
  world_exchange(&asked->request, &s->arena, &answer);
  front_check(asked, &answer, &s->arena);
  blank(answer.body, "<RequestId>", '<');
  blank(answer.body, "\"Location\":\"", '"');
  *status = answer.status;
  return answer.body;
}

static bool is_unfinished(mf_str answer) {
  static const char *const words[] = {"\"Pending\"", "\"InProgress\"", "\"IN_PROGRESS\""};
  for (size_t i = 0; i < MF_COUNT(words); i++)
    if (answer.len && memmem(answer.data, answer.len, words[i], strlen(words[i]))) return true;
  return false;
}

static void read_all(sequence *s) {
  for (uint32_t i = 0; i < s->n_reads; i++) {
    reading *r = &s->reads[i];
    const int64_t until_ns = mf_now_ns() + PATIENCE_S * MF_NS_PER_S;
    while (r->answer = read_once(s, &r->asked, &r->status), is_unfinished(r->answer))
      if (mf_now_ns() > until_ns)
        world_fail("%s: what is under way does not end: %.*s", r->asked.target->name,
                   MF_STR_ARG(r->answer));
  }
}

static void read_again(sequence *s) {
  for (uint32_t i = 0; i < s->n_reads; i++) {
    const reading *r = &s->reads[i];
    const int64_t until_ns = mf_now_ns() + PATIENCE_S * MF_NS_PER_S;
    int status;
    mf_str answer;
    while (answer = read_once(s, &s->reads[i].asked, &status),
           is_unfinished(answer) && mf_now_ns() < until_ns)
      continue;
    if (status != r->status || !mf_str_equal(answer, r->answer))
      world_fail("%s %.*s: another answer after a restart:\n%d %.*s\nit was\n%d %.*s",
                 r->asked.target->name, MF_STR_ARG(r->asked.request.target), status,
                 MF_STR_ARG(answer), r->status, MF_STR_ARG(r->answer));
  }
}

static void restart(sequence *s) {
  static const char *const lists[] = {"lambda.ListFunctions", "iam.ListRoles", "iam.ListPolicies",
                                      "logs.DescribeLogGroups"};
  for (size_t i = 0; i < MF_COUNT(lists); i++) {
    front_asked asked;
    front_ask_plain(lists[i], &s->arena, &asked);
    if (s->n_reads == READS) s->n_reads--;
    remember(s, &asked);
  }
  world_settle();
  read_all(s);
  world_close(true);
  world_open();
  world_settle();
  read_again(s);
}

// ---- a sequence ----
static void ask(sequence *s, front_bytes *in) {
  front_source from = {.in = in, .kept = &s->kept, .arena = &s->arena};
  front_asked asked;
  world_answer answer;
  if (!front_ask(&from, &s->session, &asked)) return;
  world_exchange(&asked.request, &s->arena, &answer);
  if (getenv("FRONT_SHOW"))
    fprintf(stderr, "%s %.*s -> %d %.*s\n", asked.target->name, MF_STR_ARG(asked.request.target),
            answer.status, (int)MF_MIN(answer.body.len, (size_t)300), answer.body.data);
  front_check(&asked, &answer, &s->arena);
  front_learn(&answer, &s->kept, &s->session);
  remember(s, &asked);
}

// ---- the fuzzer ----
// Where memory was allocated is found in a few frames, and what is allocated need not be filled: an
// input makes thousands of allocations.
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
  return "malloc_context_size=6:max_malloc_fill_size=0:quarantine_size_mb=64";
}

// libFuzzer counts allocations and runs an input again when some are left, which here are caches of
// the store most of the time; leaks are looked for below instead.
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv) {
  static char no_counting[] = "-detect_leaks=0";
  char **more = calloc((size_t)*argc + 2, sizeof *more);
  memcpy(more, *argv, (size_t)*argc * sizeof *more);
  more[(*argc)++] = no_counting;
  *argv = more;
  world_make();
  return 0;
}

static void look_for_leaks(void) {
  static uint32_t inputs;
  if (++inputs % LEAKS_EVERY == 0 && __lsan_do_recoverable_leak_check() != 0)
    world_fail("memory was lost in one of the last %d inputs", LEAKS_EVERY);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 3) return 0;
  sequence *s = calloc(1, sizeof *s);
  front_bytes in = {.data = data + 1, .len = size - 1};
  mf_arena_init(&s->arena, 0);
  world_hosting = (world_host){.response = MF_STR("")};
  world_open();
  for (int i = 0; i < LONGEST && in.at < in.len; i++) ask(s, &in);
  if (data[0] & 1) restart(s);
  world_close(false);
  mf_arena_deinit(&s->arena);
  free(s);
  look_for_leaks();
  return 0;
}
