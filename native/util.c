/* Bytes, messages, failures, and the few file and process tools everything else stands on. */
#include "arc.h"
#include <stdarg.h>

void add(struct buf *b, const void *p, size_t n) {
  if (b->n + n > b->cap) {
    size_t cap = b->cap ? b->cap : 256;
    while (cap < b->n + n) cap *= 2;
    if (!(b->p = realloc(b->p, cap))) abort(); /* the server starts the helper again, and it recovers */
    b->cap = cap;
  }
  if (n) memcpy(b->p + b->n, p, n);
  b->n += n;
}

void consume(struct buf *b, size_t n) {
  b->n -= n;
  if (b->n) memmove(b->p, b->p + n, b->n);
  else if (b->cap > 4096) free(b->p), *b = (struct buf){0};
}

/* Appends `key=value` and a NUL. */
void put(struct buf *b, const char *key, const char *fmt, ...) {
  char *text;
  va_list args;
  va_start(args, fmt);
  int n = vasprintf(&text, fmt, args);
  va_end(args);
  if (n < 0) abort();
  add(b, key, strlen(key));
  add(b, "=", 1);
  add(b, text, (size_t)n + 1);
  free(text);
}

void frame(struct buf *b, unsigned type, uint32_t id, const void *p, size_t n) {
  uint32_t length = (uint32_t)n;
  uint16_t head[2] = {(uint16_t)type, 0};
  add(b, &length, 4);
  add(b, head, 4);
  add(b, &id, 4);
  add(b, p, n);
}

/* 1: a whole frame begins at `at`; 0: more bytes are needed; -1: malformed. */
int parse(const struct buf *in, size_t at, struct msg *m) {
  uint32_t length;
  uint16_t head[2];
  if (in->n - at < HEADER_BYTES) return 0;
  memcpy(&length, in->p + at, 4);
  memcpy(head, in->p + at + 4, 4);
  memcpy(&m->id, in->p + at + 8, 4);
  if (length > FRAME_BYTES_MAX || head[1] != 0) return -1;
  if (in->n - at - HEADER_BYTES < length) return 0;
  m->type = head[0];
  m->p = in->p + at + HEADER_BYTES;
  m->n = length;
  return 1;
}

/* The values of a key in order: give the one before, NULL for the first. */
const char *next_value(const struct msg *m, const char *key, const char *previous) {
  size_t k = strlen(key);
  if (m->n == 0 || m->p[m->n - 1] != 0) return NULL;
  const char *end = m->p + m->n;
  const char *at = previous ? previous + strlen(previous) + 1 : m->p;
  for (; at < end; at += strlen(at) + 1)
    if (!strncmp(at, key, k) && at[k] == '=') return at + k + 1;
  return NULL;
}

const char *get(const struct msg *m, const char *key) { return next_value(m, key, NULL); }

int64_t get_int(const struct msg *m, const char *key, int64_t missing) {
  const char *v = get(m, key);
  char *end;
  if (!v || !*v) return missing;
  errno = 0;
  long long n = strtoll(v, &end, 10);
  return *end || errno ? missing : n;
}

static char failed_code[32], failed_text[700];

int fail(const char *code, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  snprintf(failed_code, sizeof failed_code, "%s", code);
  vsnprintf(failed_text, sizeof failed_text, fmt, args);
  va_end(args);
  return -1;
}

int fail_errno(const char *what) {
  int e = errno;
  return fail(e == ENOSPC || e == EDQUOT ? "disk_full" : "host_unfit", "%s: %s", what, strerror(e));
}

void put_failure(struct buf *b) {
  put(b, "code", "%s", failed_code[0] ? failed_code : "internal");
  put(b, "message", "%s", failed_text);
}

const char *failure_code(void) { return failed_code; }

int64_t mono_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t wall_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int write_all(int fd, const void *p, size_t n) {
  for (const char *at = p; n > 0;) {
    ssize_t w = write(fd, at, n);
    if (w < 0 && errno == EINTR) continue;
    if (w <= 0) return -1;
    at += w, n -= (size_t)w;
  }
  return 0;
}

int write_file(int dir, const char *path, const char *text, int flags) {
  int fd = openat(dir, path, O_WRONLY | O_CLOEXEC | flags, 0644);
  if (fd < 0) return -1;
  int r = write_all(fd, text, strlen(text)), e = errno;
  close(fd);
  errno = e;
  return r;
}

ssize_t read_file(int dir, const char *path, char *out, size_t cap) {
  int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return -1;
  size_t n = 0;
  for (ssize_t r; n < cap - 1 && (r = read(fd, out + n, cap - 1 - n)) > 0;) n += (size_t)r;
  out[n] = 0;
  close(fd);
  return (ssize_t)n;
}

char *path_of(const char *dir, const char *name) {
  char *path;
  if (asprintf(&path, "%s/%s", dir, name) < 0) abort();
  return path;
}

int write_atomic(const char *dir, const char *name, const struct buf *b) {
  char *path = path_of(dir, name), *temp;
  if (asprintf(&temp, "%s.tmp", path) < 0) abort();
  int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), r = -1;
  if (fd >= 0) {
    r = write_all(fd, b->p, b->n);
    close(fd);
    if (!r) r = rename(temp, path);
    if (r) unlink(temp);
  }
  free(path), free(temp);
  return r;
}

/* Removes without following a link; `depth` bounds the open folders. Goes on after an error. */
int remove_tree(int dir, const char *name, int depth) {
  if (unlinkat(dir, name, 0) == 0 || errno == ENOENT) return 0;
  if (errno != EISDIR && errno != EPERM) return -1;
  if (depth <= 0) return errno = ELOOP, -1;
  int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *d = fd < 0 ? NULL : fdopendir(fd);
  if (!d) return -1;
  int failed = 0;
  for (struct dirent *e; (e = readdir(d));)
    if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && remove_tree(fd, e->d_name, depth - 1)) failed = errno;
  closedir(d);
  if (unlinkat(dir, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return 0;
  if (failed) errno = failed;
  return -1;
}

bool proc_stat(pid_t pid, char *state, pid_t *ppid, pid_t *pgrp, pid_t *session, uint64_t *start) {
  char path[40], text[1024], *at;
  char st;
  int a, b, c;
  unsigned long long t;
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  if (read_file(AT_FDCWD, path, text, sizeof text) <= 0 || !(at = strrchr(text, ')'))) return false;
  if (sscanf(at + 1, " %c %d %d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &st, &a, &b, &c,
             &t) != 5)
    return false;
  if (state) *state = st;
  if (ppid) *ppid = a;
  if (pgrp) *pgrp = b;
  if (session) *session = c;
  if (start) *start = t;
  return true;
}

int pidfd_open(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }
int pidfd_kill(int pidfd, int sig) { return (int)syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0); }

/*
 * What every forked child does first: it dies with its parent, takes no descriptor of the loop along but those in
 * `keep` (moved to `floor`, in order), and has ordinary signals and out-of-memory standing again.
 */
void enter_child(int *keep, int n) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (int i = 0; i < n; i++) keep[i] = fcntl(keep[i], F_DUPFD_CLOEXEC, g.floor + n);
  for (int i = 0; i < n; i++) keep[i] = dup3(keep[i], g.floor + i, O_CLOEXEC);
  syscall(SYS_close_range, g.floor + n, ~0u, 0);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  signal(SIGPIPE, SIG_DFL);
  write_file(AT_FDCWD, "/proc/self/oom_score_adj", "0", 0);
  umask(022);
}

void put_exit(struct buf *b, const struct exit_info *e) {
  put(b, "at", "%lld", (long long)e->at_ms);
  put(b, "oom", "%d", e->oom);
  if (e->known && e->sig) put(b, "signal", "%d", e->sig);
  else if (e->known) put(b, "code", "%d", e->code);
  if (e->note[0]) put(b, "note", "%s", e->note);
}

void get_exit(const struct msg *m, struct exit_info *e) {
  const char *note = get(m, "note");
  *e = (struct exit_info){.at_ms = get_int(m, "at", 0), .oom = get_int(m, "oom", 0) == 1};
  e->sig = (int)get_int(m, "signal", 0);
  e->code = (int)get_int(m, "code", -1);
  e->known = e->sig > 0 || e->code >= 0;
  snprintf(e->note, sizeof e->note, "%s", note ? note : "");
}

void exit_from_status(struct exit_info *e, int status) {
  *e = (struct exit_info){.known = true, .at_ms = wall_ns() / 1000000};
  if (WIFSIGNALED(status)) e->sig = WTERMSIG(status);
  else e->code = WEXITSTATUS(status);
}
