/* What every part of the adversary stands on: facts, one a line, fields parted by tabs. It judges nothing. */
#ifndef ADVERSARY_BASE_H
#define ADVERSARY_BASE_H
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* Nobody waits longer than this for one try. */
#define TRY_MS 1000

/* Line ends and tabs in a value would make facts of it that are none. */
static void field(const char *text) {
  putchar('\t');
  for (; *text; text++) putchar((unsigned char)*text < ' ' ? '?' : *text);
}

static void fact(const char *key, const char *value) {
  fputs(key, stdout);
  field(value);
  putchar('\n');
  fflush(stdout);
}

static void fact2(const char *key, const char *name, const char *value) {
  fputs(key, stdout);
  field(name);
  field(value);
  putchar('\n');
  fflush(stdout);
}

/* "ok", or the number of the error. */
static void tried(const char *name, long result) {
  char text[24] = "ok";
  if (result < 0) snprintf(text, sizeof text, "%d", errno);
  fact2("try", name, text);
}
#define TRY(name, call) do { errno = 0; long r_ = (long)(call); tried(name, r_); } while (0)

/* Runs `body` in a child: "ok", the number of an error, or "killed SIGNAL". */
static void outcome_of(int status, char *text, size_t size) {
  if (WIFSIGNALED(status)) snprintf(text, size, "killed %d", WTERMSIG(status));
  else if (WEXITSTATUS(status) == 0) snprintf(text, size, "ok");
  else snprintf(text, size, "%d", WEXITSTATUS(status));
}

static void wake_after(int ms) {
  struct itimerval timer = {.it_value = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000}};
  signal(SIGALRM, SIG_DFL);
  setitimer(ITIMER_REAL, &timer, 0);
}

static int in_child(int (*body)(long), long argument) {
  fflush(stdout);
  pid_t pid = fork();
  if (pid < 0) return 0x7f00; /* as if it had ended with 127 */
  if (pid == 0) {
    wake_after(TRY_MS);
    _exit(body(argument));
  }
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
  return status;
}

static void tried_in_child(const char *name, int (*body)(long), long argument) {
  char text[32];
  outcome_of(in_child(body, argument), text, sizeof text);
  fact2("try", name, text);
}

/* The lines of a file, each as a fact. */
static void lines_of(const char *key, const char *path) {
  char line[4096];
  FILE *file = fopen(path, "re");
  if (!file) return;
  while (fgets(line, sizeof line, file)) {
    line[strcspn(line, "\n")] = 0;
    fact(key, line);
  }
  fclose(file);
}
#endif
