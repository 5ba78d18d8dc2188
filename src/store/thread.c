// Two lists under one lock: what is to be done and what is done.
#include "thread.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

typedef struct list {
  mf_store_job *first, **end;
} list;

struct mf_store_thread {
  pthread_t id;
  pthread_mutex_t lock;
  pthread_cond_t posted, idle;
  list queue, done;
  bool busy, stop;
  void (*run)(void *context, mf_store_thread *thread, mf_store_job *batch);
  void *context;
  mf_loop *loop;
};

static void append(list *to, mf_store_job *job) {
  job->next = NULL;
  *to->end = job;
  to->end = &job->next;
}

static mf_store_job *take_all(list *from) {
  mf_store_job *first = from->first;
  *from = (list){NULL, &from->first};
  return first;
}

static void *thread_main(void *data) {
  mf_store_thread *thread = data;
  pthread_mutex_lock(&thread->lock);
  for (;;) {
    while (!thread->queue.first && !thread->stop) pthread_cond_wait(&thread->posted, &thread->lock);
    if (!thread->queue.first) break;
    mf_store_job *batch = take_all(&thread->queue);
    thread->busy = true;
    pthread_mutex_unlock(&thread->lock);
    thread->run(thread->context, thread, batch);
    pthread_mutex_lock(&thread->lock);
    thread->busy = false;
    pthread_cond_broadcast(&thread->idle);
  }
  pthread_mutex_unlock(&thread->lock);
  return NULL;
}

// Signals are the loop's business: the thread is born with all of them blocked.
static int start(mf_store_thread *thread) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int failed = pthread_create(&thread->id, NULL, thread_main, thread);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return failed;
}

mf_store_thread *mf_store_thread_create(void (*run)(void *context, mf_store_thread *thread, mf_store_job *batch), void *context,
                                        mf_loop *loop, mf_error *err) {
  mf_store_thread *thread = calloc(1, sizeof *thread);
  if (!thread) {
    mf_fail(err, MF_OutOfMemory, "no memory for a thread of the store");
    return NULL;
  }
  pthread_mutex_init(&thread->lock, NULL);
  pthread_cond_init(&thread->posted, NULL);
  pthread_cond_init(&thread->idle, NULL);
  take_all(&thread->queue);
  take_all(&thread->done);
  thread->run = run;
  thread->context = context;
  thread->loop = loop;
  if (start(thread) == 0) return thread;
  mf_fail(err, MF_Unavailable, "cannot start a thread of the store");
  free(thread);
  return NULL;
}

void mf_store_thread_post(mf_store_thread *thread, mf_store_job *job) {
  pthread_mutex_lock(&thread->lock);
  append(&thread->queue, job);
  pthread_cond_signal(&thread->posted);
  pthread_mutex_unlock(&thread->lock);
}

void mf_store_thread_done(mf_store_thread *thread, mf_store_job *job) {
  pthread_mutex_lock(&thread->lock);
  append(&thread->done, job);
  pthread_mutex_unlock(&thread->lock);
  mf_loop_wake(thread->loop);
}

void mf_store_thread_done_all(mf_store_thread *thread, mf_store_job *batch) {
  pthread_mutex_lock(&thread->lock);
  for (mf_store_job *next; batch; batch = next) {
    next = batch->next;
    append(&thread->done, batch);
  }
  pthread_mutex_unlock(&thread->lock);
  mf_loop_wake(thread->loop);
}

void mf_store_thread_finish(mf_store_thread *thread) {
  pthread_mutex_lock(&thread->lock);
  mf_store_job *job = take_all(&thread->done);
  pthread_mutex_unlock(&thread->lock);
  while (job) {
    mf_store_job *next = job->next;
    job->finish(job);
    job = next;
  }
}

// `finish` may post again, so until nothing is left.
void mf_store_thread_wait(mf_store_thread *thread) {
  for (bool done = false; !done;) {
    pthread_mutex_lock(&thread->lock);
    while (thread->queue.first || thread->busy) pthread_cond_wait(&thread->idle, &thread->lock);
    done = !thread->done.first;
    pthread_mutex_unlock(&thread->lock);
    mf_store_thread_finish(thread);
  }
}

bool mf_store_thread_is_idle(mf_store_thread *thread) {
  pthread_mutex_lock(&thread->lock);
  const bool idle = !thread->queue.first && !thread->busy && !thread->done.first;
  pthread_mutex_unlock(&thread->lock);
  return idle;
}

void mf_store_thread_destroy(mf_store_thread *thread) {
  if (!thread) return;
  mf_store_thread_wait(thread);
  pthread_mutex_lock(&thread->lock);
  thread->stop = true;
  pthread_cond_signal(&thread->posted);
  pthread_mutex_unlock(&thread->lock);
  pthread_join(thread->id, NULL);
  pthread_cond_destroy(&thread->posted);
  pthread_cond_destroy(&thread->idle);
  pthread_mutex_destroy(&thread->lock);
  free(thread);
}
