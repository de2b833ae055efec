/* Bytes, messages, failures, and the few file and process tools that everything else stands on. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { HEADER_BYTES = 12, FRAME_BYTES_MAX = 1 << 20, CHUNK_BYTES = 65536 /* one read of a pipe, one data frame */,
       OUTPUT_BYTES_MAX = 16384 /* what is kept of a failed runtime's words */ };
#define RUNTIME_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
typedef long long i64;
struct buf { char *p; size_t n, cap; }; struct msg { unsigned type; uint32_t id; const char *p; size_t n; };
static void shut(int fd) { if (fd >= 0) close(fd); }
static void add(struct buf *b, const void *p, size_t n) {
  if (b->n + n > b->cap) {
    for (b->cap = b->cap ? b->cap : 256; b->cap < b->n + n;) b->cap *= 2;
    if (!(b->p = realloc(b->p, b->cap))) abort(); /* the server starts the helper again, and it recovers */
  }
  if (n) memcpy(b->p + b->n, p, n), b->n += n;
}
static void consume(struct buf *b, size_t n) {
  if (b->n -= n) memmove(b->p, b->p + n, b->n); else free(b->p), *b = (struct buf){0};
}
static void text(struct buf *b, const char *key, const char *value) { /* `key=value` and a NUL */
  add(b, key, strlen(key)), add(b, "=", 1), add(b, value, strlen(value) + 1);
}
static void num(struct buf *b, const char *key, i64 value) {
  char digits[24]; snprintf(digits, sizeof digits, "%lld", value), text(b, key, digits);
}
static void frame(struct buf *b, unsigned type, uint32_t id, const void *p, size_t n) {
  uint32_t head[3] = {(uint32_t)n, type, id}; /* the upper half of the type's word is reserved and 0 */
  add(b, head, sizeof head), add(b, p, n);
}
/* 1: a whole frame begins at `at`; 0: more bytes are needed; -1: malformed. */
static int parse(const struct buf *in, size_t at, struct msg *m) {
  uint32_t head[3]; if (in->n - at < HEADER_BYTES) return 0;
  memcpy(head, in->p + at, sizeof head); *m = (struct msg){head[1], head[2], in->p + at + HEADER_BYTES, head[0]};
  if (m->n > FRAME_BYTES_MAX || m->type > 0xffff) return -1;
  return in->n - at - HEADER_BYTES >= m->n;
}
/* The values of a key in order: give the one before, NULL for the first. */
static const char *next_value(const struct msg *m, const char *key, const char *previous) {
  size_t k = strlen(key); if (m->n == 0 || m->p[m->n - 1] != 0) return NULL;
  for (const char *at = previous ? previous + strlen(previous) + 1 : m->p; at < m->p + m->n; at += strlen(at) + 1)
    if (!strncmp(at, key, k) && at[k] == '=') return at + k + 1;
  return NULL;
}
static bool has(const struct msg *m, const char *key) { return next_value(m, key, NULL) != NULL; }
static const char *get(const struct msg *m, const char *key) {
  const char *value = next_value(m, key, NULL); return value ? value : "";
}
static bool is(const struct msg *m, const char *key, const char *value) { return !strcmp(get(m, key), value); }
static i64 get_num(const struct msg *m, const char *key, i64 missing) {
  char *end; errno = 0; i64 n = strtoll(get(m, key), &end, 10); return !*get(m, key) || *end || errno ? missing : n;
}
static int list(const struct msg *m, const char *key, char **out, int max) {
  int n = 0; for (const char *v = NULL; n < max && (v = next_value(m, key, v));) out[n++] = (char *)v; return n;
}
/* Formatted text that lives until 16 KiB more were made. Packed: a worker pays for each page that it touches. */
__attribute__((format(printf, 1, 2))) static char *str(const char *fmt, ...) {
  enum { ONE_MAX = PATH_MAX + 512 }; static char ring[4 * ONE_MAX]; static size_t at;
  if (at > sizeof ring - ONE_MAX) at = 0;
  va_list args; va_start(args, fmt); int n = vsnprintf(ring + at, ONE_MAX, fmt, args); va_end(args);
  char *made = ring + at; return at += n < ONE_MAX ? (size_t)n + 1 : ONE_MAX, made;
}
static char failed_code[32], failed_text[700]; /* why the last thing did not work, for who asked */
static int fail(const char *code, const char *why) {
  snprintf(failed_code, sizeof failed_code, "%s", code), snprintf(failed_text, sizeof failed_text, "%s", why);
  return -1;
}
static int fail_errno(const char *what) {
  return fail(errno == ENOSPC || errno == EDQUOT ? "disk_full" : "host_unfit", str("%s: %s", what, strerror(errno)));
}
static void put_failure(struct buf *b) { text(b, "code", failed_code), text(b, "message", failed_text); }
static i64 clock_ns(clockid_t id) {
  struct timespec t; clock_gettime(id, &t); return (i64)t.tv_sec * 1000000000 + t.tv_nsec;
}
static i64 mono_ms(void) { return clock_ns(CLOCK_MONOTONIC) / 1000000; }
static int write_all(int fd, const char *p, size_t n) {
  for (ssize_t w; n > 0; p += w, n -= (size_t)w)
    if ((w = write(fd, p, n)) <= 0 && (errno != EINTR || (w = 0))) return -1;
  return 0;
}
static int write_file(int dir, const char *path, const char *content, size_t n, int flags) {
  int fd = openat(dir, path, O_WRONLY | O_CLOEXEC | flags, 0600);
  int r = fd < 0 ? -1 : write_all(fd, content, n), e = errno; shut(fd); return errno = e, r;
}
static int write_text(const char *path, const char *content) {
  return write_file(AT_FDCWD, path, content, strlen(content), 0);
}
static int write_atomic(const char *path, const struct buf *b) {
  char *temp = str("%s.tmp", path);
  if (!write_file(AT_FDCWD, temp, b->p, b->n, O_CREAT | O_TRUNC) && !rename(temp, path)) return 0;
  fprintf(stderr, "arc-node: %s: %s\n", path, strerror(errno)); return unlink(temp), -1;
}
static ssize_t read_file(int dir, const char *path, char *out, size_t cap) { /* and a NUL behind it */
  int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  size_t n = 0; for (ssize_t r; fd >= 0 && n < cap - 1 && (r = read(fd, out + n, cap - 1 - n)) > 0;) n += (size_t)r;
  out[n] = 0; return fd < 0 ? -1 : (close(fd), (ssize_t)n);
}
/* Removes without following a link; `depth` bounds the open folders. Goes on after an error. */
static int remove_tree(int dir, const char *name, int depth) {
  if (unlinkat(dir, name, 0) == 0 || errno == ENOENT) return 0;
  if (errno != EISDIR && errno != EPERM) return -1;
  if (depth <= 0) return errno = ELOOP, -1;
  int failed = 0, fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *d = fd < 0 ? NULL : fdopendir(fd); if (!d) return -1;
  for (struct dirent *e; (e = readdir(d));)
    if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && remove_tree(fd, e->d_name, depth - 1)) failed = errno;
  closedir(d); if (unlinkat(dir, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return 0;
  return errno = failed ? failed : errno, -1;
}
struct proc { char state; pid_t parent, group, session; unsigned long long start; int status; };
static bool proc_stat(pid_t pid, struct proc *p) {
  char line[1024], *at; ssize_t n = read_file(AT_FDCWD, str("/proc/%d/stat", pid), line, sizeof line);
  if (n <= 0 || !(at = strrchr(line, ')'))) return false;
  if (sscanf(at + 1, " %c %d %d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &p->state,
             &p->parent, &p->group, &p->session, &p->start) != 5) return false;
  return (at = strrchr(at, ' ')) != NULL && (p->status = atoi(at), true); /* the last field: how a zombie ended */
}
static pid_t named_pid(int dir, const char *path) { /* The pid that `path` names, or 0. */
  char digits[32];
  pid_t pid = read_file(dir, path, digits, sizeof digits) > 0 ? atoi(digits) : 0; return pid > 1 ? pid : 0;
}
static int pidfd_open(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }
static int pidfd_kill(int fd, int sig) { return (int)syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0); }
static int fd_floor; /* descriptors below it are kept by workers */
/* What every forked child does first: it dies with its parent, takes no descriptor of the loop along but those in
 * `keep` (moved to `fd_floor`, in order), and has ordinary signals and out-of-memory standing again. */
static void enter_child(int *keep, int n) {
  sigset_t none; prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (int i = 0; i < n; i++) keep[i] = fcntl(keep[i], F_DUPFD_CLOEXEC, fd_floor + n);
  for (int i = 0; i < n; i++) keep[i] = dup3(keep[i], fd_floor + i, O_CLOEXEC);
  syscall(SYS_close_range, fd_floor + n, ~0u, 0);
  sigemptyset(&none), sigprocmask(SIG_SETMASK, &none, NULL), signal(SIGPIPE, SIG_DFL), umask(022);
  write_text("/proc/self/oom_score_adj", "500"); /* a sandbox goes before Arc does; see oci/process.ts */
}
struct exit_info { bool known, oom; int code, sig; i64 at_ms; char note[80]; };
static void put_exit(struct buf *b, const struct exit_info *e) {
  num(b, "at", e->at_ms), num(b, "oom", e->oom);
  if (e->known) num(b, e->sig ? "signal" : "code", e->sig ? e->sig : e->code);
  if (*e->note) text(b, "note", e->note);
}
static struct exit_info exit_now(int status, const char *unknown) {
  struct exit_info e = {.known = !unknown, .at_ms = clock_ns(CLOCK_REALTIME) / 1000000};
  snprintf(e.note, sizeof e.note, "%s", unknown ? unknown : "");
  if (WIFSIGNALED(status)) e.sig = WTERMSIG(status); else e.code = WEXITSTATUS(status);
  return e;
}
