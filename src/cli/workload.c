// Sources: the paper's sections 3.3 to 3.5, and the curves of its figures 5(a), 5(b), 6, 7 and 8 as its authors published them again with the
// trace (github.com/Azure/AzurePublicDataset, analysis/AzureFunctionsDataset2019-Trace_Analysis.md; the lines called ATC there), measured in
// the pictures, which is good to a hundredth of the share. All are of applications, Azure's unit of memory and of loading, but for the
// durations, which are of functions: what is made up here is an application's load on one function of ours. Not in it, because it is not
// published: how rate, regularity, duration and memory go together (they are drawn independently), and how pauses follow each other. Left
// out: the hours of the day (figure 4).
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

typedef struct point {
  double share, value;  // so many of all have at most this value
} point;

// Where `share` is between two points, as a part of the way; *at: the second of them.
static double between(const point *points, size_t n, double share, size_t *at) {
  *at = 1;
  while (*at + 1 < n && points[*at].share < share) ++*at;
  return (share - points[*at - 1].share) / (points[*at].share - points[*at - 1].share);
}

// Calls a day on average, figure 5(a). Its text: 45 % of the applications are called once an hour or less, 81 % once a minute or less; the
// 18.6 % above make 99.6 % of all calls. The least is a call in the trace's 14 days; steps are timers: a day, an hour, five minutes, a minute.
// The last four points are steeper than the picture of 5(a) can show: from 5(b), by which the busiest 1, 0.1 and 0.01 % make 87, 53 and 23 % of
// all calls. Between points the logarithm is interpolated.
static const point rates[] = {{0, 1.0 / 14}, {0.04, 1.0 / 14}, {0.061, 1.0 / 7}, {0.122, 0.5}, {0.165, 0.99}, {0.21, 1}, {0.269, 2},
                              {0.33, 5}, {0.38, 10}, {0.445, 23.9}, {0.456, 24.1}, {0.5, 48}, {0.554, 97}, {0.582, 144}, {0.63, 287},
                              {0.665, 289}, {0.704, 400}, {0.762, 700}, {0.806, 1420}, {0.814, 1440}, {0.83, 1450}, {0.874, 3000},
                              {0.902, 5000}, {0.925, 1e4}, {0.949, 2e4}, {0.976, 86400}, {0.99, 3e5}, {0.999, 3.6e6}, {0.9999, 2.4e7}, {1, 2.4e8}};

static double draw_rate(workload_random *random) {
  size_t i;
  const double part = between(rates, MF_COUNT(rates), workload_uniform(random), &i);
  return rates[i - 1].value * pow(rates[i].value / rates[i - 1].value, part);
}

// Coefficient of variation of the times between calls, figure 6, "All Apps": a fifth are clocks, four of ten vary more than a Poisson process
// (section 3.6). The picture ends at 10, which 5.3 % are beyond: they are taken to have 10.
static const point cvs[] = {{0.2, 0}, {0.255, 0.05}, {0.287, 0.1}, {0.348, 0.2}, {0.381, 0.3}, {0.452, 0.5}, {0.494, 0.7}, {0.519, 0.8}, {0.57, 1},
                            {0.615, 1.25}, {0.658, 1.5}, {0.72, 2}, {0.768, 2.5}, {0.803, 3}, {0.854, 4}, {0.88, 5}, {0.904, 6}, {0.93, 8}, {0.947, 10}, {1, 10}};

static double draw_cv(workload_random *random) {
  const double share = workload_uniform(random);
  size_t i;
  if (share <= cvs[0].share) return 0;
  const double part = between(cvs, MF_COUNT(cvs), share, &i);
  return cvs[i - 1].value + part * (cvs[i].value - cvs[i - 1].value);
}

// Section 3.4, figure 7: the average duration is log-normal, its logarithm in seconds with mean -0.38 and deviation 2.36.
static double draw_duration_ms(workload_random *random) { return 1000 * exp(-0.38 + 2.36 * normal(random)); }

// Section 3.5, figure 8: the average memory of an application is of a Burr distribution (XII) with c = 11.652, k = 0.221, lambda = 107.083 MB; by
// its inverse. At most what Lambda gives.
static double draw_memory_mb(workload_random *random) {
  const double c = 11.652, k = 0.221, lambda = 107.083;
  return fmin(lambda * pow(pow(1 - workload_uniform(random), -1 / k) - 1, 1 / c), 10240);
}

workload_function workload_draw(workload_random *random) {
  workload_function f = {.calls_per_day = draw_rate(random)};
  f.cv = draw_cv(random);
  f.duration_ms = fmin(draw_duration_ms(random), 900e3);  // Lambda's limit
  f.memory_mb = draw_memory_mb(random);
  return f;
}

// ---- calls ----

// Clocks tick at whole divisions of an hour or a day, as figure 5(a)'s steps do.
static double timer_period(double minutes) {
  static const double periods[] = {1, 2, 5, 10, 15, 20, 30, 60, 120, 240, 360, 720, 1440, 10080, 20160};
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
  if (f->cv <= 0 && mean >= 1) mean = timer_period(mean);
  if (mean >= 1) replay_pauses(random, mean, f->cv, minutes, replay);
  else replay_counts(random, 1 / mean, f->cv, minutes, replay);
}
