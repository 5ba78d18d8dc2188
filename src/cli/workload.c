// What stands in the paper's text is taken from there; what is only in a figure is read off it, which is good to some per cent, and said
// so. Left out: the hours of the day (figure 4), and that functions of one app are called together (section 3.2).
#include "workload.h"

#include <math.h>

enum { MINUTES_A_DAY = 1440 };
#define PI 3.14159265358979323846

// splitmix64 (Steele, Lea, Flood 2014)
static uint64_t next(workload_random *random) {
  uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return z ^ (z >> 31);
}

double workload_uniform(workload_random *random) { return ((double)(next(random) >> 11) + 0.5) / 9007199254740992.0; }

static double normal(workload_random *random) {
  const double radius = sqrt(-2 * log(workload_uniform(random)));
  return radius * cos(2 * PI * workload_uniform(random));
}

// Marsaglia and Tsang 2000; a shape below 1 by way of shape + 1.
static double gamma_with(workload_random *random, double shape) {
  if (shape < 1) return gamma_with(random, shape + 1) * pow(workload_uniform(random), 1 / shape);
  const double d = shape - 1.0 / 3, c = 1 / sqrt(9 * d);
  for (;;) {
    const double x = normal(random), v = pow(1 + c * x, 3);
    if (v > 0 && log(workload_uniform(random)) < x * x / 2 + d - d * v + d * log(v)) return d * v;
  }
}

// ---- distributions ----

// Figure 2: per cent of functions by trigger.
static const double trigger_shares[WORKLOAD_TRIGGERS] = {
    [WORKLOAD_HTTP] = 55.0,  [WORKLOAD_QUEUE] = 15.2,  [WORKLOAD_EVENT] = 2.2, [WORKLOAD_ORCHESTRATION] = 6.9,
    [WORKLOAD_TIMER] = 15.6, [WORKLOAD_STORAGE] = 2.8, [WORKLOAD_OTHER] = 2.3};  // rounded there: 2.2

static workload_trigger draw_trigger(workload_random *random) {
  double at = workload_uniform(random) * 100;
  for (int i = 0; i < WORKLOAD_TRIGGERS - 1; i++)
    if ((at -= trigger_shares[i]) < 0) return (workload_trigger)i;
  return WORKLOAD_OTHER;
}

// Section 3.3 and figure 5(a), average calls a day: 45 % are called once an hour at most, 81 % once a minute at most; the span is eight orders
// of magnitude. The points between and beyond are read off the figure; between points the logarithm is interpolated.
static const struct {
  double share, calls_per_day;
} rates[] = {{0, 0.07}, {0.20, 2}, {0.45, 24}, {0.81, 1440}, {0.95, 3e4}, {0.99, 1e6}, {1, 1e7}};

static double draw_rate(workload_random *random) {
  const double at = workload_uniform(random);
  size_t i = 1;
  while (i + 1 < MF_COUNT(rates) && rates[i].share < at) i++;
  const double part = (at - rates[i - 1].share) / (rates[i].share - rates[i - 1].share);
  return rates[i - 1].calls_per_day * pow(rates[i].calls_per_day / rates[i - 1].calls_per_day, part);
}

// Figure 6: timers are clocks, and so are about a tenth of the others (section 3.3 names sensors); four of ten vary more than a Poisson
// process (above 1), the rest less. Within the two parts it is spread evenly, over the logarithm above 1: read off the figure.
static double draw_cv(workload_random *random, workload_trigger trigger) {
  const double at = workload_uniform(random), within = workload_uniform(random);
  if (trigger == WORKLOAD_TIMER || at < 0.1) return 0;
  return at < 0.6 ? 0.2 + 0.8 * within : pow(10, within);
}

// Section 3.4, figure 7: log-normal, the logarithm of the average in seconds with mean -0.38 and deviation 2.36.
static double draw_duration_ms(workload_random *random) { return 1000 * exp(-0.38 + 2.36 * normal(random)); }

// Section 3.5, figure 8: Burr XII with c = 11.652, k = 0.221, lambda = 107.083 MB, by its inverse.
static double draw_memory_mb(workload_random *random) {
  const double c = 11.652, k = 0.221, lambda = 107.083;
  return fmin(lambda * pow(pow(1 - workload_uniform(random), -1 / k) - 1, 1 / c), 10240);
}

workload_function workload_draw(workload_random *random) {
  workload_function f = {.trigger = draw_trigger(random)};
  f.calls_per_day = draw_rate(random);
  f.cv = draw_cv(random, f.trigger);
  f.duration_ms = fmin(draw_duration_ms(random), 900e3);
  f.memory_mb = draw_memory_mb(random);
  return f;
}

// ---- calls ----

// Timers tick at whole divisions of an hour or a day.
static double timer_period(double minutes) {
  static const double periods[] = {1, 2, 5, 10, 15, 20, 30, 60, 120, 240, 360, 720, 1440, 10080};
  size_t best = 0;
  for (size_t i = 1; i < MF_COUNT(periods); i++)
    if (fabs(log(periods[i] / minutes)) < fabs(log(periods[best] / minutes))) best = i;
  return periods[best];
}

// Below one call a minute: from pause to pause, of a gamma distribution with the mean and the coefficient of variation wanted.
static void replay_pauses(workload_random *random, double mean, double cv, uint32_t minutes, replay_function *replay) {
  const double shape = cv > 0 ? 1 / (cv * cv) : 0;
  double at = mean * workload_uniform(random);
  while (at < minutes) {
    const int64_t minute = (int64_t)at;
    uint32_t calls = 0;
    for (; (int64_t)at == minute && calls < UINT32_MAX; calls++) at += cv > 0 ? gamma_with(random, shape) * mean / shape : mean;
    replay_call(replay, minute, calls);
  }
}

// Above: calls in each minute, with the mean and the variance that such pauses come to.
static void replay_counts(workload_random *random, double per_minute, double cv, uint32_t minutes, replay_function *replay) {
  const double scale = cv * cv;
  double owed = workload_uniform(random);
  for (uint32_t minute = 0; minute < minutes; minute++) {
    owed += cv > 0 ? gamma_with(random, per_minute / scale) * scale : per_minute;
    const double calls = fmin(floor(owed), 1e9);
    owed -= calls;
    replay_call(replay, minute, (uint32_t)calls);
  }
}

void workload_replay(workload_random *random, const workload_function *f, uint32_t days, replay_function *replay) {
  const uint32_t minutes = days * MINUTES_A_DAY;
  double mean = MINUTES_A_DAY / f->calls_per_day;
  if (f->trigger == WORKLOAD_TIMER) mean = timer_period(mean);
  if (mean >= 1) replay_pauses(random, mean, f->cv, minutes, replay);
  else replay_counts(random, 1 / mean, f->cv, minutes, replay);
}
