// A world for tests of the host: a real keeper and a real front in processes of their own, workers with the stand-in of fake.c. A scenario
// runs inside front in straight-line style: it starts calls, awaits them, and checks; what it fails ends up as the exit status.
#ifndef WORLD_H
#define WORLD_H

#include "fake.h"
#include "host/host.h"

typedef struct test_world {
  mf_loop *loop;
  mf_host *host;
  int keeper_socket;
  mf_timer watchdog;
  void *data;         // the scenario's
  bool stop_asked;
  char image_text[64];
  uint32_t opened;    // how often an image was opened
} test_world;

typedef struct test_call {
  mf_invocation invocation;
  test_world *world;
  bool done;
  int64_t began_ns, ended_ns;
  char payload[160], response[256];
} test_call;

typedef void scenario_fn(test_world *world);
// Forks a keeper whose front runs the scenario; returns the keeper's exit status (0: all checks held).
int run_scenario(scenario_fn *scenario, const mf_host_options *options, void *data);
// The same without waiting: the keeper's process id.
pid_t start_scenario(scenario_fn *scenario, const mf_host_options *options, void *data);
int await_process(pid_t pid);  // exit status, or 128 + signal; a failure after 30 seconds
extern const mf_host_options small_options;

mf_function_spec function(test_world *world, const char *key);
void start_call(test_world *world, test_call *call, const mf_function_spec *spec, const char *payload);
void start_background(test_world *world, test_call *call, const mf_function_spec *spec, const char *payload);
void await_call(test_call *call);                     // and releases it
void await_calls(test_call *calls, uint32_t n);
test_call *make_call(test_world *world, const mf_function_spec *spec, const char *payload);  // start and await; static storage, one at a time
bool await_condition(test_world *world, bool (*condition)(test_world *world), int limit_ms);
void run_for(test_world *world, int64_t ms);
bool no_instances(test_world *world);
bool pool_is_full(test_world *world);
int make_image(const char *text, size_t bytes);  // a memfd opened for reading only
uint32_t open_descriptors(void);

#define CHECK(condition, ...)                                             \
  do {                                                                    \
    if (!(condition)) {                                                   \
      fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition);     \
      fprintf(stderr, __VA_ARGS__);                                       \
      fprintf(stderr, "\n");                                              \
      _exit(1);                                                           \
    }                                                                     \
  } while (0)
#endif
