/*
 * Commands and terminals inside a sandbox. They are held here and not in the server: output is kept while nobody reads
 * it, a reader that is slow slows its program and nobody else, and whoever comes back joins again by id.
 */
#include "arc.h"
#include <sys/ioctl.h>
#include <termios.h>

#define EXEC_POLL_MS 10      /* for the pid file of a runtime that stays */
#define RETRY_KILL_MS 500
#define FAMILY_MAX 1024
#define FAMILY_PASSES_MAX 4
#define COMMAND_BYTES_MAX 4096

static void seal_when_drained(struct exec *e);

struct exec *exec_find(struct sandbox *s, const char *id) {
  struct exec *e = s->execs;
  while (e && strcmp(e->id, id)) e = e->next;
  return e;
}

static void exec_free(struct exec *e) {
  for (struct exec **at = &e->box->execs; *at; at = &(*at)->next)
    if (*at == e) {
      *at = e->next;
      break;
    }
  struct conn *c = e->conn;
  exec_detach(c);
  if (c) conn_close(c);
  drop(&e->in), drop(&e->out), drop(&e->err), drop(&e->console_src);
  if (e->console) unlink(e->console);
  free(e->pid_file), free(e->console), free(e->frames.p), free(e->input.p), free(e->command.p);
  bury(e);
}

void execs_forget(struct sandbox *s) {
  while (s->execs) {
    struct exec *e = s->execs;
    if (!e->exited && e->pid) kill(e->pid, SIGKILL);
    if (!e->exited && !e->running) answer_error(e->ref, "exec_failed", "the sandbox was removed");
    exec_free(e);
  }
}

static size_t frame_bytes(const struct exec *e, size_t at) {
  uint32_t n;
  memcpy(&n, e->frames.p + at, 4);
  return HEADER_BYTES + n;
}

/* Forgets what was read; of a terminal the last screenfuls stay, for who joins. */
static void trim(struct exec *e) {
  size_t cut = 0, to = e->conn || !e->tty ? e->sent : e->frames.n, keep = e->tty ? EXEC_SCROLLBACK_BYTES : 0;
  while (cut < to && e->frames.n - cut - frame_bytes(e, cut) >= keep) cut += frame_bytes(e, cut);
  if (cut < CHUNK_BYTES && cut < e->frames.n) return;
  consume(&e->frames, cut);
  e->sent = e->sent > cut ? e->sent - cut : 0;
}

static bool room(const struct exec *e) {
  size_t unread = e->frames.n - e->sent;
  return e->conn ? unread < EXEC_ATTACHED_BYTES : e->tty || unread < EXEC_BUFFER_BYTES;
}

/* One read. 1: there may be more; 0: nothing now, or it is over. */
static int pull(struct exec *e, struct src *src, unsigned type) {
  static char data[CHUNK_BYTES];
  if (src->fd < 0) return 0;
  ssize_t n = read(src->fd, data, sizeof data);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  if (n <= 0) return drop(src), 0;
  frame(&e->frames, type, 0, data, (size_t)n);
  trim(e);
  return 1;
}

static void on_output(struct exec *e, struct src *src, unsigned type) {
  if (room(e)) pull(e, src, type);
  exec_write(e);
}

static void on_out(struct src *s, unsigned ev) { (void)ev, on_output(OWNER(s, struct exec, out), s, M_STDOUT); }
static void on_err(struct src *s, unsigned ev) { (void)ev, on_output(OWNER(s, struct exec, err), s, M_STDERR); }

/* Writes to the reader what there is, then lets the program go on or wait. */
void exec_write(struct exec *e) {
  struct conn *c = e->conn;
  while (c && !c->closing && c->out.n == c->sent && e->sent < e->frames.n) {
    ssize_t n = send(c->src.fd, e->frames.p + e->sent + e->part, e->frames.n - e->sent - e->part, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != EAGAIN) {
      conn_close(c);
      break;
    }
    if (n < 0) break;
    e->part += (size_t)n;
    while (e->sent < e->frames.n && e->part >= frame_bytes(e, e->sent))
      e->part -= frame_bytes(e, e->sent), e->sent += frame_bytes(e, e->sent);
  }
  trim(e);
  if (e->exited && !e->sealed) seal_when_drained(e);
  if (e->sealed && e->conn && e->sent == e->frames.n) { /* its end was read; closing with input unread would lose it */
    c->over = true;
    exec_detach(c);
    conn_flush(c);
    return exec_free(e);
  }
  if (e->out.fd >= 0) rewatch(&e->out, room(e) ? EPOLLIN : 0);
  if (e->err.fd >= 0) rewatch(&e->err, room(e) ? EPOLLIN : 0);
  if (e->conn && !e->conn->closing) conn_flush(e->conn);
}

static void seal_when_drained(struct exec *e) {
  while (room(e) && (pull(e, &e->out, M_STDOUT) | pull(e, &e->err, M_STDERR))) {}
  if (!room(e)) return; /* goes on when the reader has taken some */
  struct buf b = {0};
  put_exit(&b, &e->exit);
  put(&b, "timedOut", "%d", e->timed_out);
  frame(&e->frames, M_EXIT, 0, b.p, b.n);
  free(b.p);
  e->sealed = true, e->ended_ms = mono_ms();
  drop(&e->in), drop(&e->out), drop(&e->err);
  exec_write(e);
}

static void exec_ended(struct exec *e, int status) {
  exit_from_status(&e->exit, status);
  e->exit.oom = cgroup_ooms(e->box->id) > e->ooms && !(e->exit.sig == 0 && e->exit.code == 0);
  e->exited = true;
  exec_write(e);
}

/* Its runtime did not start it: what the runtime said goes back to who asked. */
static void exec_failed(struct exec *e, const char *why, int status) {
  struct buf b = {0}, text = {0};
  while (text.n < OUTPUT_BYTES_MAX && pull(e, &e->err, M_STDERR)) {}
  for (size_t at = 0; at < e->frames.n; at += frame_bytes(e, at)) {
    add(&text, e->frames.p + at + HEADER_BYTES, frame_bytes(e, at) - HEADER_BYTES);
    if (text.n > OUTPUT_BYTES_MAX) text.n = OUTPUT_BYTES_MAX;
  }
  for (size_t i = 0; i < text.n; i++)
    if (!text.p[i]) text.p[i] = '?';
  put(&b, "code", "runtime_failed");
  put(&b, "message", "%s", why);
  if (WIFEXITED(status)) put(&b, "exitCode", "%d", WEXITSTATUS(status));
  put(&b, "oom", "%d", cgroup_ooms(e->box->id) > e->ooms);
  put(&b, "output", "%.*s", (int)text.n, text.n ? text.p : "");
  answer(e->ref, M_ERROR, &b);
  free(b.p), free(text.p);
  if (e->pid) kill(e->pid, SIGKILL);
  exec_free(e);
}

static void on_console(struct src *src, unsigned events) {
  struct exec *e = OWNER(src, struct exec, console_src);
  char byte[64], space[CMSG_SPACE(sizeof(int) * 4)];
  struct iovec v = {byte, sizeof byte};
  struct msghdr h = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
  int peer = accept4(src->fd, NULL, NULL, SOCK_CLOEXEC);
  (void)events;
  if (peer < 0) return;
  struct timeval limit = {.tv_sec = 1}; /* the runtime sends at once */
  setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ssize_t n = recvmsg(peer, &h, MSG_CMSG_CLOEXEC);
  close(peer);
  struct cmsghdr *c = n >= 0 ? CMSG_FIRSTHDR(&h) : NULL;
  if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || c->cmsg_len < CMSG_LEN(sizeof(int))) return;
  int fd;
  memcpy(&fd, CMSG_DATA(c), sizeof fd);
  struct winsize size = {.ws_col = (unsigned short)e->cols, .ws_row = (unsigned short)e->rows};
  ioctl(fd, TIOCSWINSZ, &size);
  fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
  e->in.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  drop(&e->out);
  watch(&e->out, fd, EPOLLIN, on_out);
  drop(src);
}

static void exec_started(struct exec *e, pid_t pid) {
  struct buf b = {0};
  int status;
  e->pid = pid, e->running = true;
  if (e->console) unlink(e->console);
  if (e->tty) drop(&e->err); /* it was the runtime's */
  put(&b, "exec", "%s", e->id);
  answer(e->ref, M_OK, &b);
  free(b.p);
  if (!e->follow_runtime && orphan_take(pid, e->started_at, &status)) exec_ended(e, status);
}

static pid_t named_pid(const struct exec *e) {
  char text[32];
  pid_t pid = read_file(AT_FDCWD, e->pid_file, text, sizeof text) > 0 ? atoi(text) : 0;
  return pid > 1 ? pid : 0;
}

static void runtime_ended(struct exec *e, int status) {
  pid_t pid = named_pid(e);
  e->runtime = 0;
  if (e->tty && e->out.fd < 0 && e->console_src.fd >= 0) on_console(&e->console_src, 0);
  if (e->follow_runtime && !e->running && pid && !(e->tty && e->out.fd < 0)) exec_started(e, e->pid);
  if (e->follow_runtime && e->running) return exec_ended(e, status);
  if (status || !pid) return exec_failed(e, "the runtime could not start the command", status);
  if (e->tty && e->out.fd < 0) return exec_failed(e, "the runtime sent no terminal", status);
  exec_started(e, pid);
}

bool exec_reaped(pid_t pid, int status) {
  for (struct sandbox *s = g.boxes; s; s = s->next)
    for (struct exec *e = s->execs; e; e = e->next) {
      if (e->runtime == pid) return runtime_ended(e, status), true;
      if (e->running && !e->exited && e->pid == pid) return exec_ended(e, status), true;
    }
  return false;
}

static int listen_console(struct exec *e) {
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  if (strlen(e->console) >= sizeof a.sun_path) return errno = ENAMETOOLONG, -1;
  strcpy(a.sun_path, e->console);
  unlink(e->console);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0 || bind(fd, (void *)&a, sizeof a) || listen(fd, 1)) return fd >= 0 ? close(fd) : 0, -1;
  chmod(e->console, 0666); /* runsc and runc are root of the sandbox only; its folder keeps others out */
  watch(&e->console_src, fd, EPOLLIN, on_console);
  return 0;
}

static _Noreturn void become_exec(const struct msg *m, const char *id, int in, int out, int err) {
  static char *const env[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL};
  char *argv[257] = {0};
  int keep[3] = {in, out, err}, n = 0;
  for (const char *a = NULL; (a = next_value(m, "arg", a)) && n < 256;) argv[n++] = (char *)a;
  enter_child(keep, 3);
  prctl(PR_SET_PDEATHSIG, 0);
  setsid();
  for (int i = 0; i < 3; i++) dup2(keep[i], i);
  if (!cgroup_join(id)) execve(argv[0], argv, env);
  dprintf(2, "arc-node: %s: %s\n", argv[0], strerror(errno));
  _exit(126);
}

static void drop_old(struct sandbox *s) {
  int finished = 0;
  struct exec *last = NULL;
  for (struct exec *e = s->execs; e; e = e->next)
    if (e->sealed && !e->conn) finished++, last = e; /* the newest are first */
  if (finished >= EXEC_KEPT_MAX) exec_free(last);
}

static struct exec *exec_new(struct ref ref, struct sandbox *s, const struct msg *m) {
  struct exec *e = calloc(1, sizeof *e);
  if (!e) abort();
  e->in.fd = e->out.fd = e->err.fd = e->console_src.fd = -1;
  snprintf(e->id, sizeof e->id, "%s", get(m, "exec"));
  e->box = s, e->ref = ref, e->tty = get_int(m, "tty", 0) == 1;
  e->cols = (int)get_int(m, "cols", 80), e->rows = (int)get_int(m, "rows", 24);
  const char *pid_file = get(m, "pidFile"), *console = get(m, "consoleSocket"), *follow = get(m, "follow");
  e->pid_file = pid_file[0] == '/' ? strdup(pid_file) : path_of(s->dir, pid_file);
  e->console = e->tty && console ? strdup(console) : NULL;
  e->follow_runtime = follow && !strcmp(follow, "runtime");
  for (const char *c = NULL; (c = next_value(m, "command", c));)
    if (e->command.n + strlen(c) < COMMAND_BYTES_MAX) put(&e->command, "command", "%s", c);
  e->started_at = mono_ms(), e->exit.at_ms = wall_ns() / 1000000; /* until it ends: when it began */
  e->begun_ms = e->exit.at_ms;
  int64_t limit = get_int(m, "timeoutMs", 0);
  e->deadline = limit > 0 ? e->started_at + limit : 0;
  e->start_deadline = e->started_at + EXEC_START_MS_MAX;
  e->ooms = cgroup_ooms(s->id);
  e->next = s->execs, s->execs = e;
  unlink(e->pid_file);
  return e;
}

void exec_request(struct ref ref, struct sandbox *s, const struct msg *m) {
  int in[2] = {-1, -1}, out[2] = {-1, -1}, err[2] = {-1, -1};
  drop_old(s);
  struct exec *e = exec_new(ref, s, m);
  bool ready = !pipe2(in, O_CLOEXEC) && !pipe2(out, O_CLOEXEC) && !pipe2(err, O_CLOEXEC) &&
               (!e->tty || (e->console && !listen_console(e)));
  if (ready) e->runtime = fork();
  if (ready && e->runtime == 0) become_exec(m, s->id, in[0], e->tty ? err[1] : out[1], err[1]);
  int failed = errno;
  for (int i = 0; i < 2; i++) { /* the far ends, and with a terminal all but what the runtime says */
    if (i == 0 || e->tty || !ready) close(i ? in[1] : in[0]), close(i ? out[0] : out[1]);
  }
  close(err[1]);
  if (!ready || e->runtime < 0) {
    close(err[0]);
    answer_error(ref, failed == ENAMETOOLONG ? "invalid_request" : "host_unfit", strerror(failed));
    return exec_free(e);
  }
  if (e->follow_runtime) e->pid = e->runtime;
  if (!e->tty) {
    e->in.fd = in[1];
    fcntl(in[1], F_SETFL, O_NONBLOCK), fcntl(out[0], F_SETFL, O_NONBLOCK);
    watch(&e->out, out[0], EPOLLIN, on_out);
  }
  fcntl(err[0], F_SETFL, O_NONBLOCK);
  watch(&e->err, err[0], EPOLLIN, on_err);
}

void exec_detach(struct conn *c) {
  if (!c || !c->exec) return;
  struct exec *e = c->exec;
  c->exec = NULL, e->conn = NULL, e->part = 0; /* a frame that was cut off is sent whole to the next */
  if (e->tty) e->sent = 0;
  if (e->out.fd >= 0) rewatch(&e->out, room(e) ? EPOLLIN : 0);
  if (e->err.fd >= 0) rewatch(&e->err, room(e) ? EPOLLIN : 0);
}

void exec_attach(struct conn *c, uint32_t id, struct sandbox *s, const char *name) {
  struct exec *e = exec_find(s, name);
  struct conn *old = e->conn;
  struct buf b = {0};
  if (old) { /* the frame it is reading is finished, then it is told */
    if (e->part) add(&old->out, e->frames.p + e->sent + e->part, frame_bytes(e, e->sent) - e->part);
    frame(&old->out, M_TAKEN, 0, NULL, 0);
    exec_detach(old);
    conn_flush(old);
    conn_close(old);
  }
  exec_put(&b, e);
  answer((struct ref){c->serial, id}, M_OK, &b);
  free(b.p);
  if (c->closing) return;
  c->exec = e, e->conn = c, e->part = 0;
  if (e->tty) e->sent = 0;
  exec_write(e);
}

static void feed(struct exec *e);
static void on_input(struct src *s, unsigned ev) {
  (void)ev;
  struct exec *e = OWNER(s, struct exec, in);
  feed(e);
  if (e->conn && !e->input.n) conn_pump(e->conn);
}

static void feed(struct exec *e) {
  while (e->in.fd >= 0 && e->input_sent < e->input.n) {
    ssize_t n = write(e->in.fd, e->input.p + e->input_sent, e->input.n - e->input_sent);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return watch(&e->in, e->in.fd, EPOLLOUT, on_input);
    if (n < 0) drop(&e->in); /* nobody reads it */
    else e->input_sent += (size_t)n;
  }
  consume(&e->input, e->input.n), e->input_sent = 0;
  if (e->in.fd >= 0 && e->in.fn) rewatch(&e->in, 0);
  if (e->in_close && !e->tty) drop(&e->in);
}

int exec_control(struct exec *e, unsigned type, const struct msg *m) {
  struct winsize size = {.ws_col = (unsigned short)get_int(m, "cols", 80), .ws_row = (unsigned short)get_int(m, "rows", 24)};
  int64_t sig = get_int(m, "signal", -1);
  if (type == M_RESIZE) return e->tty && e->out.fd >= 0 ? ioctl(e->out.fd, TIOCSWINSZ, &size) : 0;
  if (sig < 1 || sig > 64) return errno = EINVAL, -1;
  if (!e->running || e->exited) return errno = ESRCH, -1;
  return kill(e->pid, (int)sig); /* our child and not reaped: the pid is its own */
}

/* A message on a joined connection; false: it has no place there. */
bool exec_input(struct conn *c, const struct msg *m) {
  struct exec *e = c->exec;
  if (m->type == M_STDIN && m->n <= CHUNK_BYTES) add(&e->input, m->p, e->in.fd >= 0 && !e->in_close ? m->n : 0);
  else if (m->type == M_STDIN_CLOSE && e->tty) add(&e->input, "\4", 1);
  else if (m->type == M_STDIN_CLOSE) e->in_close = true;
  else if ((m->type == M_RESIZE || m->type == M_SIGNAL_IN) && (m->n == 0 || m->p[m->n - 1] == 0)) {
    exec_control(e, m->type, m);
    return true;
  } else return false;
  feed(e);
  return true;
}

/* SIGKILL to a command and to what came from it, as far as its group, session and parents tell. */
void kill_family(const char *id, pid_t root) {
  pid_t pids[FAMILY_MAX], parent, group, session;
  bool hit[FAMILY_MAX] = {false}, more = true;
  int n = cgroup_pids(id, pids, FAMILY_MAX);
  for (int pass = 0; more && pass < FAMILY_PASSES_MAX; pass++) {
    more = false;
    for (int i = 0; i < n; i++) {
      if (hit[i] || !proc_stat(pids[i], NULL, &parent, &group, &session, NULL)) continue;
      bool ours = pids[i] == root || parent == root || group == root || session == root;
      for (int k = 0; k < n && !ours; k++) ours = hit[k] && pids[k] == parent;
      if (ours) hit[i] = more = true;
    }
  }
  for (int i = 0; i < n; i++)
    if (hit[i]) kill(pids[i], SIGKILL);
}

void exec_put(struct buf *b, struct exec *e) {
  put(b, "exec", "%s", e->id);
  put(b, "tty", "%d", e->tty);
  put(b, "startedAt", "%lld", (long long)e->begun_ms);
  add(b, e->command.p, e->command.n);
  put(b, "ended", "%d", e->exited);
  if (!e->exited) return;
  put_exit(b, &e->exit);
  put(b, "timedOut", "%d", e->timed_out);
}

int64_t execs_tick(struct sandbox *s, int64_t now) {
  int64_t wait = -1;
  for (struct exec *e = s->execs, *next; e; e = next) {
    next = e->next;
    int64_t due = -1;
    if (!e->running && now >= e->start_deadline) kill(e->runtime, SIGKILL);
    if (!e->running) due = e->follow_runtime ? EXEC_POLL_MS : e->start_deadline - now;
    if (!e->running && e->follow_runtime && named_pid(e) && !(e->tty && e->out.fd < 0)) exec_started(e, e->pid);
    if (e->running && !e->exited && e->deadline && now >= e->deadline) {
      e->timed_out = true, e->deadline = now + RETRY_KILL_MS;
      kill_family(s->id, e->pid);
      kill(e->pid, SIGKILL);
    }
    if (e->running && !e->exited && e->deadline) due = e->deadline - now;
    if (e->sealed && !e->conn) due = e->ended_ms + EXEC_KEPT_MS - now;
    if (e->sealed && !e->conn && due <= 0) exec_free(e), due = -1;
    if (due >= 0 && (wait < 0 || due < wait)) wait = due;
  }
  return wait;
}
