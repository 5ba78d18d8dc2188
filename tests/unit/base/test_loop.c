// The loop: timers fire in order, cancelled ones do not, a watch may be removed by another's callback.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/base.h"

static mf_loop *loop;
static int64_t last_deadline;
static int fired;

static void on_timer(mf_timer *timer) {
  assert_true(timer->deadline_ns >= last_deadline);
  last_deadline = timer->deadline_ns;
  fired++;
}

static void on_end(mf_timer *timer) {
  (void)timer;
  mf_loop_stop(loop);
}

static void timers_fire_in_order_and_cancelled_ones_do_not(void **state) {
  (void)state;
  mf_error err;
  mf_timer timers[200] = {0}, end = {.fire = on_end};
  loop = mf_loop_create(&err);
  srand(1);
  fired = 0;
  int64_t now = mf_now_ns();
  for (int i = 0; i < 200; i++) {
    timers[i].fire = on_timer;
    assert_true(mf_loop_timer_set(loop, &timers[i], now + rand() % 5000000, &err));
  }
  for (int i = 0; i < 200; i += 4) mf_loop_timer_cancel(loop, &timers[i]);
  assert_true(mf_loop_timer_set(loop, &end, now + 6000000, &err));
  assert_true(mf_loop_run(loop, &err));
  assert_int_equal(fired, 150);
  mf_loop_destroy(loop);
}

static mf_watch pair[2];
static int calls;

static void remove_the_other(mf_watch *watch, uint32_t events) {
  (void)events;
  calls++;
  mf_loop_remove(loop, watch == &pair[0] ? &pair[1] : &pair[0]);
  mf_loop_stop(loop);
}

static void a_watch_removed_in_a_callback_gets_no_more_events(void **state) {
  (void)state;
  mf_error err;
  loop = mf_loop_create(&err);
  calls = 0;
  for (int i = 0; i < 2; i++) {
    pair[i] = (mf_watch){.fd = eventfd(1, EFD_NONBLOCK), .ready = remove_the_other};
    assert_true(mf_loop_add(loop, &pair[i], EPOLLIN, &err));
  }
  assert_true(mf_loop_run(loop, &err));
  assert_int_equal(calls, 1);
  for (int i = 0; i < 2; i++) close(pair[i].fd);
  mf_loop_destroy(loop);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(timers_fire_in_order_and_cancelled_ones_do_not),
      cmocka_unit_test(a_watch_removed_in_a_callback_gets_no_more_events),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
