// The n-th allocation or system call fails, alone or with all that follow: a test program lists the calls with FAULT_WRAP, its meson.build routes them here
// (-Wl,--wrap=NAME), and the test walks through the same steps for every n until none fails.
#ifndef TESTS_FAULTS_H
#define TESTS_FAULTS_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct fault_plan {
  atomic_int countdown;  // 0: nothing fails; n: the n-th call from now on does
  atomic_bool lasting;   // and every call after it
  atomic_bool struck;    // it was made
  atomic_bool of_memory; // calls that get memory, or all others
  atomic_int number;     // errno of the others
  // Where processes fork: calls count in this one only, or in all but these; 0: no such one.
  atomic_int only_in, not_in[2];
} fault_plan;

static fault_plan faults_of_one_process;
static fault_plan *faults = &faults_of_one_process;

// Forks made afterwards share the plan.
__attribute__((unused)) static void faults_share(void) {
  void *memory = mmap(NULL, sizeof *faults, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory != MAP_FAILED) faults = memory;
}

static void faults_begin(bool of_memory, int number, int n) {
  atomic_store(&faults->of_memory, of_memory);
  atomic_store(&faults->number, number);
  atomic_store(&faults->struck, false);
  atomic_store(&faults->countdown, n);
}

// From now on nothing fails. false: there were fewer calls than n.
static bool faults_end(void) {
  atomic_store(&faults->countdown, 0);
  return atomic_load(&faults->struck);
}

// Where there are more calls than time, a run tries each stride-th only, and begins somewhere else than the run before;
// FAULTS_STRIDE=1 tries all of them.
__attribute__((unused)) static int faults_stride(int usual, int with_sanitizer) {
  const char *told = getenv("FAULTS_STRIDE");
#ifdef __SANITIZE_ADDRESS__
  (void)usual;
  return told ? atoi(told) : with_sanitizer;
#else
  (void)with_sanitizer;
  return told ? atoi(told) : usual;
#endif
}
__attribute__((unused)) static int faults_first(int stride) { return 1 + (int)getpid() % stride; }

static bool fault_is_here(void) {
  const int pid = getpid(), only = atomic_load(&faults->only_in);
  if (only != 0 && only != pid) return false;
  return pid != atomic_load(&faults->not_in[0]) && pid != atomic_load(&faults->not_in[1]);
}

static bool fault_strikes(bool is_memory) {
  if (atomic_load(&faults->countdown) == 0 || atomic_load(&faults->of_memory) != is_memory || !fault_is_here()) return false;
  if (atomic_load(&faults->lasting) && atomic_load(&faults->struck)) return true;
  if (atomic_fetch_sub(&faults->countdown, 1) != 1) return false;
  if (atomic_load(&faults->lasting)) atomic_store(&faults->countdown, 1);
  atomic_store(&faults->struck, true);
  return true;
}

// `strikes_if`: which calls of this name count, by their arguments.
#define FAULT_WRAP_IF(result, name, parameters, arguments, is_memory, failure, strikes_if)    \
  result __real_##name parameters;                                                          \
  result __wrap_##name parameters;                                                          \
  result __wrap_##name parameters {                                                         \
    if (!(strikes_if) || !fault_strikes(is_memory)) return __real_##name arguments;         \
    errno = (is_memory) ? ENOMEM : atomic_load(&faults->number);                            \
    return failure;                                                                         \
  }
#define FAULT_WRAP(result, name, parameters, arguments, is_memory, failure) \
  FAULT_WRAP_IF(result, name, parameters, arguments, is_memory, failure, true)

// (mmap64, openat64 and the like: the names that 64-bit file offsets give them.)
#define FAULT_WRAP_MEMORY                                                 \
  FAULT_WRAP(void *, malloc, (size_t size), (size), true, NULL)           \
  FAULT_WRAP(void *, calloc, (size_t n, size_t size), (n, size), true, NULL) \
  FAULT_WRAP(void *, realloc, (void *old, size_t size), (old, size), true, NULL) \
  FAULT_WRAP(void *, mmap64, (void *at, size_t len, int prot, int flags, int fd, off_t offset), (at, len, prot, flags, fd, offset), true, MAP_FAILED)
#endif
