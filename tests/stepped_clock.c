/* A system clock that is stepped: adds the seconds in a mapped file to what CLOCK_REALTIME says.
   Who waits until a moment on it waits as long as before. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

static volatile double *step;

__attribute__((constructor)) static void map_file(void) {
  int file = open(getenv("CLOCK_STEP"), O_RDONLY);
  void *page = mmap(NULL, sizeof(double), PROT_READ, MAP_SHARED, file, 0);
  if (page == MAP_FAILED) abort();
  step = page;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  int status = real(clock, now);
  if (status == 0 && clock == CLOCK_REALTIME && step) {
    long long nanoseconds = now->tv_sec * 1000000000LL + now->tv_nsec + (long long)(*step * 1e9);
    now->tv_sec = nanoseconds / 1000000000LL;
    now->tv_nsec = nanoseconds % 1000000000LL;
  }
  return status;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  (void)zone;
  struct timespec precise;
  int status = clock_gettime(CLOCK_REALTIME, &precise);
  now->tv_sec = precise.tv_sec;
  now->tv_usec = precise.tv_nsec / 1000;
  return status;
}

time_t time(time_t *out) {
  struct timespec precise;
  clock_gettime(CLOCK_REALTIME, &precise);
  if (out) *out = precise.tv_sec;
  return precise.tv_sec;
}

/* The true moment of one on the stepped clock, for who waits until then. */
static struct timespec *true_moment(const struct timespec *until, struct timespec *moment) {
  *moment = *until;
  if (until->tv_sec > 1000000000) { /* on no steady clock */
    long long nanoseconds = until->tv_sec * 1000000000LL + until->tv_nsec;
    nanoseconds -= (long long)(*step * 1e9);
    moment->tv_sec = nanoseconds / 1000000000LL;
    moment->tv_nsec = nanoseconds % 1000000000LL;
  }
  return moment;
}

int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until) {
  static int (*real)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
  struct timespec moment;
  if (!real) *(void **)&real = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
  return real(condition, mutex, true_moment(until, &moment));
}

int pthread_mutex_timedlock(pthread_mutex_t *restrict mutex,
                            const struct timespec *restrict until) {
  static int (*real)(pthread_mutex_t *, const struct timespec *);
  struct timespec moment;
  if (!real) *(void **)&real = dlsym(RTLD_NEXT, "pthread_mutex_timedlock");
  return real(mutex, true_moment(until, &moment));
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until) {
  static int (*real)(sem_t *, const struct timespec *);
  struct timespec moment;
  if (!real) *(void **)&real = dlsym(RTLD_NEXT, "sem_timedwait");
  return real(semaphore, true_moment(until, &moment));
}
