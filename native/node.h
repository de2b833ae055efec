/* What the helper holds, and the loop's own tools. */
#include <sys/epoll.h>
#include <sys/un.h>
enum { PROTOCOL_VERSION = 1, RECORD_VERSION = 1, ID_BYTES_MAX = 41, ORPHANS_MAX = 1024, JOBS_MAX = 256 };
enum { /* message types; PROTOCOL.md describes each */
  M_HELLO = 1, M_START, M_STOP, M_DESTROY, M_LIST, M_SIGNAL, M_SUBSCRIBE, M_EXEC, M_ATTACH, M_EXECS, M_SIGNAL_EXEC,
  M_RESIZE_EXEC, M_FILES, M_LAYER_MARKS, M_QUIT, M_OK = 64, M_ERROR, M_ITEM, M_EXIT_EVENT,
  M_STDOUT = 80, M_STDERR, M_EXIT, M_TAKEN, M_STDIN, M_STDIN_CLOSE,
  M_STAT = 96, M_DIR, M_READ, M_WRITE, M_MKDIR, M_SYMLINK, M_REMOVE, M_DATA, M_END, M_CONTINUE,
};
struct src { int fd, stream; void (*fn)(struct src *, unsigned events); void *of; };
struct ref { uint64_t conn; uint32_t id; }; /* who waits for an answer; the connection may be gone by then */
enum phase { PARTIAL, RUNNING, EXITED };
static const char *const PHASES[] = {"partial", "running", "exited"};
struct sandbox {
  char id[ID_BYTES_MAX + 1], hostif[16]; i64 inc, slot, host_base, id_count;
  enum phase phase; bool child, follow_runtime, recorded; pid_t pid; uint64_t pid_start;
  struct buf exit; /* as fields */
  struct src pidfd, out, err; struct journal log; struct exec *execs; struct sandbox *next;
};
struct conn {
  struct src src; uint64_t serial; struct buf in, out; size_t sent;
  bool greeted, subscribed, closed, over; /* `over`: its command's end was written; what it still sends is dropped */
  struct exec *exec; struct conn *next;
};
static struct sandbox *boxes; static struct conn *conns;
static const char *data_dir; static char boot_id[40]; static int epoll_fd; static bool quit;
static struct buf graves; /* freed after the turn: an event of this turn may still name them */

#define UNLINK(head, item) for (__typeof__(head) *at_ = &(head); *at_; at_ = &(*at_)->next) \
  if (*at_ == (item)) { *at_ = (item)->next; break; }
static void bury(void *p) { add(&graves, &p, sizeof p); }
static void *make(size_t n) { void *p = calloc(1, n); return p ? p : (abort(), NULL); }
static char *path_in(const char *id, const char *name) { return str("%s/sandboxes/%s/%s", data_dir, id, name); }
/* No events: taken out, since a hang-up would be told over and over. */
static void rewatch(struct src *s, unsigned events) {
  struct epoll_event e = {.events = events, .data.ptr = s}; if (s->fd < 0) return;
  if (!events) epoll_ctl(epoll_fd, EPOLL_CTL_DEL, s->fd, NULL);
  else if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, s->fd, &e) && epoll_ctl(epoll_fd, EPOLL_CTL_ADD, s->fd, &e)) abort();
}
static void watch(struct src *s, int fd, unsigned events, void (*fn)(struct src *, unsigned), void *of) {
  s->fd = fd, s->fn = fn, s->of = of, rewatch(s, events);
}
static void drop(struct src *s) { /* out of the loop by name: a worker may hold a copy of it for a moment */
  if (s->fd >= 0) rewatch(s, 0), close(s->fd);
  s->fd = -1;
}
static int listen_at(const char *path) {
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof a.sun_path) return errno = ENAMETOOLONG, -1;
  strcpy(a.sun_path, path), unlink(path); int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  return fd < 0 || bind(fd, (void *)&a, sizeof a) || listen(fd, 128) ? -1 : fd;
}
static void answer(struct ref ref, unsigned type, const struct buf *b), conn_close(struct conn *c);
static void answer_error(struct ref ref, const char *code, const char *why), conn_flush(struct conn *c);
static void conn_pump(struct conn *c), broadcast_exit(struct sandbox *s), clean_up(struct sandbox *s); /* serve.h */
static struct { pid_t pid; int status; i64 at; } orphans[ORPHANS_MAX]; /* reaped before their start was reported */
static unsigned norphans;
static bool orphan_take(pid_t pid, i64 since, int *status) {
  for (unsigned i = 0; i < ORPHANS_MAX; i++)
    if (orphans[i].pid == pid && orphans[i].at >= since) return orphans[i].pid = 0, *status = orphans[i].status, true;
  return false;
}
