// The keeper: the process the user started. It forks front, and workers and compilers on front's word, reaps all of them, and starts
// front again when a signal killed it. It parses nothing but the fixed-size messages of messages.def, opens no file, and holds no
// secret that its children could read. Single-threaded, one poll loop.
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"
#include "message.h"
#include "worker.h"

enum { MAX_CHILDREN = MF_UID_COUNT / 2, DEATHS_ALLOWED = 5 };
#define DEATHS_WINDOW_NS (60 * MF_NS_PER_S)

typedef enum child_state { FREE, RUNNING, ENDED } child_state;  // ENDED: reaped, front has not been told yet
struct child {
  child_state state;
  pid_t pid;
  mf_message report;  // EXITED, or REFUSED when it never began
};

struct keeper {
  const mf_host_functions *functions;
  mf_front_fn *run_front;
  void *context;
  mf_sandbox sandbox;
  pid_t self, front;
  int socket, signals;
  struct child children[MAX_CHILDREN];
  uint32_t n_children;       // slots in use so far
  uint32_t n_ended;          // waiting to be reported
  int64_t deaths[DEATHS_ALLOWED];
  uint32_t n_deaths;         // since the last answer
  bool tellable;             // front's socket has room for our answers
  bool stopping, stop_unsent, hung_up;  // hung_up: front closed its end, its death follows
};

// ---- front ----

static noreturn void become_front(struct keeper *keeper, int socket) {
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (getppid() != keeper->self) _exit(1);
  close(keeper->signals);
  const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};  // the keeper passes them on as a message
  for (size_t i = 0; i < MF_COUNT(ignored); i++) signal(ignored[i], SIG_IGN);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  prctl(PR_SET_NAME, "mayfly-front", 0, 0, 0);
  exit(keeper->run_front(keeper->context, socket));
}

static bool start_front(struct keeper *keeper, mf_error *err) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0) return mf_fail_errno(err, "cannot make a socket pair");
  keeper->front = fork();
  if (keeper->front < 0) {
    close(pair[0]);
    close(pair[1]);
    return mf_fail_errno(err, "cannot fork front");
  }
  if (keeper->front == 0) {
    close(pair[0]);
    become_front(keeper, pair[1]);
  }
  close(pair[1]);
  keeper->socket = pair[0];
  keeper->hung_up = false;
  keeper->tellable = true;
  return true;
}

// ---- children ----

static struct child *free_child(struct keeper *keeper) {
  for (uint32_t i = 0; i < keeper->n_children; i++)
    if (keeper->children[i].state == FREE) return &keeper->children[i];
  return keeper->n_children < MAX_CHILDREN ? &keeper->children[keeper->n_children++] : NULL;
}

static noreturn void become_child(const struct keeper *keeper, const struct child *child, const mf_message *order, const int *fds) {
  const mf_birth birth = {.functions = keeper->functions,
                          .sandbox = &keeper->sandbox,
                          .parent = keeper->self,
                          .number = (uint32_t)(child - keeper->children),
                          .fds = fds};
  if (order->kind == MF_MESSAGE_SPAWN_WORKER) {
    prctl(PR_SET_NAME, "mayfly-worker", 0, 0, 0);
    mf_worker_main(&birth, &order->spawn_worker);
  }
  prctl(PR_SET_NAME, "mayfly-compiler", 0, 0, 0);
  mf_compiler_main(&birth, &order->spawn_compiler);
}

// can_tell made sure that there is room; what is left are front's end and a kernel without memory.
static bool tell(const struct keeper *keeper, const mf_message *message, const int *fds) {
  mf_error err;
  const bool told = mf_message_send(keeper->socket, message, fds, &err);
  if (!told && errno != EPIPE) mf_log(MF_LOG_WARN, "keeper: %s", err.message);
  return told;
}

// Through the child's slot where there is one, so that it is repeated until front has taken it.
static void refuse(struct keeper *keeper, struct child *child, uint64_t id, int number) {
  const mf_message report = {.kind = MF_MESSAGE_REFUSED, .refused = {.id = id, .error_number = number}};
  if (child) {
    *child = (struct child){.state = ENDED, .report = report};
    keeper->n_ended++;
  } else if (!tell(keeper, &report, NULL)) {
    mf_log(MF_LOG_ERROR, "keeper: a refusal is lost");
  }
}

static void spawn(struct keeper *keeper, uint64_t id, const mf_message *order, const int *fds) {
  struct child *child = free_child(keeper);
  const pid_t pid = child ? fork() : -1;
  if (pid == 0) become_child(keeper, child, order, fds);
  if (pid < 0) {
    refuse(keeper, child, id, child ? errno : EAGAIN);
    return;
  }
  *child = (struct child){.state = RUNNING, .pid = pid, .report = {.kind = MF_MESSAGE_EXITED, .exited = {.id = id}}};
  OWN_FD int pidfd = pidfd_open(pid, 0);
  const mf_message spawned = {.kind = MF_MESSAGE_SPAWNED, .spawned = {.id = id, .pid = pid}};
  if (pidfd < 0 || !tell(keeper, &spawned, &pidfd)) kill(pid, SIGKILL);  // front could not: better none at all, which its end tells
}

static void kill_children(struct keeper *keeper) {
  for (uint32_t i = 0; i < keeper->n_children; i++)
    if (keeper->children[i].state == RUNNING) kill(keeper->children[i].pid, SIGKILL);  // not reaped yet, so the number is still its own
  for (uint32_t i = 0; i < keeper->n_children; i++)
    if (keeper->children[i].state == RUNNING) waitpid(keeper->children[i].pid, NULL, 0);
  keeper->n_children = keeper->n_ended = 0;
}

static void note_end(struct keeper *keeper, pid_t pid, int status, const struct rusage *usage) {
  for (uint32_t i = 0; i < keeper->n_children; i++) {
    struct child *child = &keeper->children[i];
    if (child->state != RUNNING || child->pid != pid) continue;
    child->state = ENDED;
    keeper->n_ended++;
    struct mf_message_exited *exited = &child->report.exited;
    exited->status = status;
    exited->max_rss_bytes = (int64_t)usage->ru_maxrss * 1024;
    return;
  }
}

// Reports are kept in their slots until front's socket takes them, so that none is lost however slow front is.
static void report_ends(struct keeper *keeper) {
  for (uint32_t i = 0; i < keeper->n_children && keeper->n_ended > 0; i++) {
    struct child *child = &keeper->children[i];
    if (child->state != ENDED) continue;
    mf_error err;
    if (!mf_message_send(keeper->socket, &child->report, NULL, &err)) return;  // again soon, or front is gone and forgets all
    child->state = FREE;
    keeper->n_ended--;
  }
}

// ---- front's end ----

static void describe_end(int status, char *text, size_t size) {
  if (WIFSIGNALED(status)) snprintf(text, size, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
  else snprintf(text, size, "exit status %d", WEXITSTATUS(status));
}

static bool too_many_deaths(struct keeper *keeper) {
  const int64_t now = mf_now_ns();
  memmove(&keeper->deaths[1], &keeper->deaths[0], sizeof keeper->deaths - sizeof keeper->deaths[0]);
  keeper->deaths[0] = now;
  keeper->n_deaths++;
  return keeper->n_deaths >= DEATHS_ALLOWED && now - keeper->deaths[DEATHS_ALLOWED - 1] < DEATHS_WINDOW_NS;
}

// Returns the program's exit status, or -1 to go on with a new front.
static int after_front(struct keeper *keeper, int status) {
  mf_close(&keeper->socket);
  kill_children(keeper);
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  char reason[80];
  describe_end(status, reason, sizeof reason);
  if (keeper->stopping) {
    mf_log(MF_LOG_ERROR, "front died while stopping: %s", reason);
    return 1;
  }
  if (too_many_deaths(keeper)) {
    mf_log(MF_LOG_ERROR, "front died %d times in a minute without answering one invocation, giving up; the last time: %s", DEATHS_ALLOWED, reason);
    return 1;
  }
  mf_log(MF_LOG_WARN, "front died (%s) and is started again", reason);
  mf_error err;
  if (start_front(keeper, &err)) return -1;
  mf_log(MF_LOG_ERROR, "%s", err.message);
  return 1;
}

// ---- the loop ----

static int reap(struct keeper *keeper) {
  int status, front_status = 0;
  struct rusage usage;
  bool front_ended = false;
  for (pid_t pid; (pid = wait4(-1, &status, WNOHANG, &usage)) > 0;) {
    if (pid != keeper->front) {
      note_end(keeper, pid, status, &usage);
    } else {
      front_ended = true;
      front_status = status;
    }
  }
  return front_ended ? after_front(keeper, front_status) : -1;
}

static int take_signals(struct keeper *keeper) {
  struct signalfd_siginfo info;
  int result = -1;
  while (result < 0 && read(keeper->signals, &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGCHLD) {
      result = reap(keeper);
    } else if (keeper->stopping) {
      mf_log(MF_LOG_WARN, "asked twice to stop: stopping at once");
      kill(keeper->front, SIGKILL);
    } else {
      keeper->stopping = keeper->stop_unsent = true;
    }
  }
  return result;
}

static void take_message(struct keeper *keeper, const mf_message *message, const int *fds) {
  switch (message->kind) {
    case MF_MESSAGE_SPAWN_WORKER: spawn(keeper, message->spawn_worker.id, message, fds); break;
    case MF_MESSAGE_SPAWN_COMPILER: spawn(keeper, message->spawn_compiler.id, message, fds); break;
    case MF_MESSAGE_ANSWERED: keeper->n_deaths = 0; break;
    default: break;
  }
}

// No order is taken that could not be answered: so no report about a child is ever lost.
static bool can_tell(const struct keeper *keeper) {
  struct pollfd socket = {.fd = keeper->socket, .events = POLLOUT};
  return poll(&socket, 1, 0) == 1 && (socket.revents & (POLLOUT | POLLHUP));
}

static void take_messages(struct keeper *keeper) {
  for (int budget = 64; budget > 0 && (keeper->tellable = can_tell(keeper)); budget--) {
    mf_message message;
    int fds[MF_MESSAGE_MAX_FDS] = {-1, -1, -1};
    mf_error err;
    const mf_received received = mf_message_receive(keeper->socket, MF_SIDE_KEEPER, &message, fds, &err);
    if (received == MF_RECEIVED_END) keeper->hung_up = true;
    if (received == MF_RECEIVED_NOTHING || received == MF_RECEIVED_END) return;
    if (received == MF_RECEIVED_WRONG) {
      mf_log(MF_LOG_ERROR, "keeper: front is killed: %s", err.message);
      kill(keeper->front, SIGKILL);
      return;
    }
    take_message(keeper, &message, fds);
    for (int i = 0; i < MF_MESSAGE_MAX_FDS; i++) mf_close(&fds[i]);
  }
}

static void send_stop(struct keeper *keeper) {
  mf_error err;
  keeper->stop_unsent = !mf_message_send(keeper->socket, &(mf_message){.kind = MF_MESSAGE_STOP}, NULL, &err);
}

static int run(struct keeper *keeper) {
  for (;;) {
    if (keeper->stop_unsent) send_stop(keeper);
    if (keeper->n_ended > 0) report_ends(keeper);
    const bool unsent = keeper->n_ended > 0 || keeper->stop_unsent || !keeper->tellable;
    const int wanted = (keeper->tellable ? POLLIN : 0) | (unsent ? POLLOUT : 0);
    struct pollfd watched[] = {{.fd = keeper->signals, .events = POLLIN},
                               {.fd = keeper->hung_up ? -1 : keeper->socket, .events = (short)wanted}};
    if (poll(watched, MF_COUNT(watched), -1) < 0) continue;
    if (watched[1].revents & (POLLIN | POLLOUT | POLLERR | POLLHUP)) take_messages(keeper);
    if (watched[0].revents) {
      const int status = take_signals(keeper);
      if (status >= 0) return status;
    }
  }
}

static bool prepare(struct keeper *keeper, mf_error *err) {
  if (keeper->functions->prepare) keeper->functions->prepare();
  if (!mf_sandbox_prepare(&keeper->sandbox, err)) return false;
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {  // an instance costs front two descriptors
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);  // front's too: what passes RLIMIT_FSIZE is refused as on a full disk; the sandboxed have the signal again
  sigset_t wanted;
  sigemptyset(&wanted);
  const int signals[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP};
  for (size_t i = 0; i < MF_COUNT(signals); i++) sigaddset(&wanted, signals[i]);
  sigprocmask(SIG_BLOCK, &wanted, NULL);
  keeper->signals = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
  return keeper->signals >= 0 || mf_fail_errno(err, "cannot watch signals");
}

int mf_keeper_run_with(const mf_host_functions *functions, mf_front_fn *front, void *context) {
  struct keeper *keeper = calloc(1, sizeof *keeper);
  if (!keeper) {
    mf_log(MF_LOG_ERROR, "no memory for the keeper");
    return 1;
  }
  keeper->functions = functions;  // field by field: the table of children is not touched before it is needed
  keeper->run_front = front;
  keeper->context = context;
  keeper->self = getpid();
  keeper->socket = keeper->signals = -1;
  fflush(NULL);  // what was printed before is not printed again by front
  mf_error err;
  int status = 1;
  if (prepare(keeper, &err) && start_front(keeper, &err)) status = run(keeper);
  else mf_log(MF_LOG_ERROR, "%s", err.message);
  mf_close(&keeper->signals);
  mf_sandbox_deinit(&keeper->sandbox);
  free(keeper);
  return status;
}
