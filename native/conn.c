/* Connections: framing, the answer queue, and which message goes where. A malformed frame ends that connection only. */
#include "arc.h"

static int nconns;
static pid_t sessions[SESSIONS_MAX];

static void update(struct conn *c) {
  bool stdin_full = c->exec && c->exec->input.n > 0, unread = c->out.n - c->sent > CONTROL_QUEUE_BYTES_MAX / 8;
  bool more = c->out.n > c->sent || (c->exec && c->exec->frames.n > c->exec->sent);
  if (c->src.fd >= 0) rewatch(&c->src, (stdin_full || unread ? 0 : EPOLLIN) | (more ? EPOLLOUT : 0));
}

void conn_close(struct conn *c) {
  if (c->closing) return;
  c->closing = true;
  exec_detach(c);
  drop(&c->src);
  for (struct conn **at = &g.conns; *at; at = &(*at)->next)
    if (*at == c) {
      *at = c->next;
      break;
    }
  free(c->in.p), free(c->out.p);
  c->in = c->out = (struct buf){0};
  nconns--;
  bury(c);
}

void conn_flush(struct conn *c) {
  while (!c->closing && c->sent < c->out.n) {
    ssize_t n = send(c->src.fd, c->out.p + c->sent, c->out.n - c->sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) break;
    if (n < 0) return conn_close(c);
    c->sent += (size_t)n;
  }
  if (c->closing) return;
  if (c->sent == c->out.n || c->sent > CHUNK_BYTES) consume(&c->out, c->sent), c->sent = 0;
  if (c->out.n > CONTROL_QUEUE_BYTES_MAX) return conn_close(c);
  update(c);
}

static void say(struct conn *c, unsigned type, uint32_t id, const struct buf *b) {
  frame(&c->out, type, id, b ? b->p : NULL, b ? b->n : 0);
  conn_flush(c);
}

static struct conn *conn_of(struct ref ref) {
  struct conn *c = g.conns;
  while (c && c->serial != ref.conn) c = c->next;
  return c;
}

void answer(struct ref ref, unsigned type, const struct buf *b) {
  struct conn *c = conn_of(ref);
  if (c) say(c, type, ref.id, b);
}

void answer_error(struct ref ref, const char *code, const char *text) {
  struct buf b = {0};
  put(&b, "code", "%s", code);
  put(&b, "message", "%s", text);
  answer(ref, M_ERROR, &b);
  free(b.p);
}

void broadcast_exit(struct sandbox *s) {
  struct buf b = {0};
  put(&b, "id", "%s", s->id);
  put(&b, "inc", "%lld", (long long)s->inc);
  put_exit(&b, &s->exit);
  for (struct conn *c = g.conns, *next; c; c = next) {
    next = c->next;
    if (c->subscribed) say(c, M_EXIT_EVENT, 0, &b);
  }
  free(b.p);
}

static bool id_ok(const char *id) {
  size_t n = id ? strlen(id) : 0;
  return n > 0 && n <= ID_BYTES_MAX && id[0] != '-' && strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

static void hello(struct conn *c, const struct msg *m) {
  struct buf b = {0};
  c->greeted = get_int(m, "v", 0) == PROTOCOL_VERSION;
  put(&b, "v", "%d", PROTOCOL_VERSION);
  put(&b, "pid", "%d", getpid());
  put(&b, "boot", "%s", g.boot);
  cgroup_put(&b);
  say(c, M_OK, m->id, &b); /* the client compares `v`; all but hello and quit are refused to another version */
  free(b.p);
}

static void start_request(struct ref ref, struct sandbox *s, const char *id, const struct msg *m) {
  static const char *const needed[] = {"hostif", "address", "gateway", "lower", "idmap", "upperKind", "rootMount", "arg",
                                       "pidFile", "follow", "dir"};
  int64_t inc = get_int(m, "inc", -1), base = get_int(m, "hostBase", 0), count = get_int(m, "idCount", 0);
  char *dir = path_of(g.data, "sandboxes"), *expected = path_of(dir, id);
  const char *missing = NULL, *hostif = get(m, "hostif");
  for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
    if (!get(m, needed[i])) missing = needed[i];
  if (!missing && !strcmp(get(m, "upperKind"), "image") && !get(m, "blank")) missing = "blank";
  bool same = get(m, "dir") && !strcmp(get(m, "dir"), expected);
  free(dir), free(expected);
  if (missing) return answer_error(ref, "invalid_request", missing);
  if (!same) return answer_error(ref, "invalid_request", "dir is not the sandbox's folder of this helper");
  if (inc < 1 || base < 65536 || count < 1 || get_int(m, "memory", 0) <= 0 || get_int(m, "pids", 0) <= 0 ||
      get_int(m, "cpuQuotaUs", 0) < 1000 || get_int(m, "upperBytes", 0) <= 0 || get_int(m, "logBytes", 0) <= 0 ||
      !*hostif || strlen(hostif) > 15 || strspn(hostif, "abcdefghijklmnopqrstuvwxyz0123456789") != strlen(hostif) ||
      get(m, "arg")[0] != '/')
    return answer_error(ref, "invalid_request", "a number, the interface's name or the program is out of range");
  if (s && s->inc == inc && s->phase == RUNNING) {
    struct buf b = {0};
    sandbox_put(&b, s);
    answer(ref, M_OK, &b);
    return free(b.p);
  }
  if (s && (s->inc > inc || s->phase == RUNNING))
    return answer_error(ref, "wrong_state", "an incarnation of this sandbox is there already");
  job_add(M_START, ref, s, m);
}

static void files_request(struct conn *c, struct sandbox *s, const struct msg *m) {
  const char *root = get(m, "root");
  int slot = 0;
  while (slot < SESSIONS_MAX && sessions[slot]) slot++;
  if (!root || root[0] != '/') return answer_error((struct ref){c->serial, m->id}, "invalid_request", "root");
  if (slot == SESSIONS_MAX)
    return answer_error((struct ref){c->serial, m->id}, "at_capacity", "too many file sessions at once");
  pid_t pid = fork();
  if (pid == 0) {
    int keep[1] = {c->src.fd};
    enter_child(keep, 1);
    files_serve(keep[0], m->id, s, root);
  }
  if (pid < 0) return answer_error((struct ref){c->serial, m->id}, "host_unfit", "fork");
  sessions[slot] = pid;
  conn_close(c); /* the worker's from here on */
}

bool session_reaped(pid_t pid) {
  for (int i = 0; i < SESSIONS_MAX; i++)
    if (sessions[i] == pid) return sessions[i] = 0, true;
  return false;
}

static void list_request(struct ref ref) {
  struct buf b = {0};
  for (struct sandbox *s = g.boxes; s; s = s->next) {
    b.n = 0;
    sandbox_put(&b, s);
    answer(ref, M_ITEM, &b);
  }
  b.n = 0;
  answer(ref, M_OK, &b);
  free(b.p);
}

static void execs_request(struct ref ref, struct sandbox *s) {
  struct buf b = {0};
  for (struct exec *e = s->execs; e; e = e->next) {
    b.n = 0;
    exec_put(&b, e);
    answer(ref, M_ITEM, &b);
  }
  b.n = 0;
  answer(ref, M_OK, &b);
  free(b.p);
}

/* What needs a running sandbox of just this incarnation. */
static void running_request(struct conn *c, struct ref ref, struct sandbox *s, const struct msg *m) {
  const char *exec = get(m, "exec");
  struct exec *e = exec ? exec_find(s, exec) : NULL;
  if (m->type == M_ATTACH && e) return exec_attach(c, m->id, s, exec);
  if (m->type == M_EXECS) return execs_request(ref, s);
  if (m->type == M_ATTACH || ((m->type == M_SIGNAL_EXEC || m->type == M_RESIZE_EXEC) && !e))
    return answer_error(ref, "exec_not_found", "there is no such command in this sandbox");
  if (s->phase != RUNNING) return answer_error(ref, "wrong_state", "the sandbox is not running");
  if (m->type == M_FILES) return files_request(c, s, m);
  if (m->type == M_EXEC && (!id_ok(exec) || e || !get(m, "arg") || get(m, "arg")[0] != '/' || !get(m, "pidFile")))
    return answer_error(ref, "invalid_request", "exec, arg or pidFile");
  if (m->type == M_EXEC) return exec_request(ref, s, m);
  int sig = (int)get_int(m, "signal", -1), r;
  if (m->type == M_SIGNAL) r = sig < 1 || sig > 64 ? (errno = EINVAL, -1) : pidfd_kill(s->pidfd.fd, sig);
  else r = exec_control(e, m->type == M_SIGNAL_EXEC ? M_SIGNAL_IN : M_RESIZE, m);
  if (r && errno != ESRCH) return answer_error(ref, "invalid_request", strerror(errno));
  answer(ref, M_OK, NULL);
}

static void request(struct conn *c, const struct msg *m) {
  struct ref ref = {c->serial, m->id};
  if (m->n > 0 && m->p[m->n - 1] != 0) return conn_close(c);
  if (m->type == M_HELLO) return hello(c, m);
  if (m->type == M_QUIT) {
    answer(ref, M_OK, NULL);
    g.quit = true;
    return;
  }
  if (!c->greeted) return answer_error(ref, "helper_protocol", "say hello with this version first");
  if (m->type == M_LIST) return list_request(ref);
  if (m->type == M_SUBSCRIBE) return c->subscribed = true, answer(ref, M_OK, NULL);
  if (m->type == M_LAYER_MARKS) return job_add(M_LAYER_MARKS, ref, NULL, m);
  if (m->type < M_START || m->type > M_QUIT) return conn_close(c);
  const char *id = get(m, "id");
  int64_t inc = get_int(m, "inc", -1);
  if (!id_ok(id) || inc < 0) return answer_error(ref, "invalid_request", "id or inc");
  struct sandbox *s = sandbox_find(id);
  if (m->type == M_START) return start_request(ref, s, id, m);
  if (m->type == M_STOP || m->type == M_DESTROY) {
    if ((s && s->inc > inc) || (!s && m->type == M_STOP)) return answer(ref, M_OK, NULL);
    return job_add(m->type, ref, s, m);
  }
  if (!s || s->inc != inc) return answer_error(ref, "sandbox_not_found", "there is no such incarnation here");
  running_request(c, ref, s, m);
}

void conn_pump(struct conn *c) {
  size_t at = 0;
  struct msg m;
  int r = 0;
  while (!c->closing && !(c->exec && c->exec->input.n) && (r = parse(&c->in, at, &m)) == 1) {
    at += HEADER_BYTES + m.n;
    if (c->over) continue;
    if (!c->exec) request(c, &m);
    else if (!exec_input(c, &m)) return conn_close(c);
  }
  if (c->closing) return;
  if (r < 0) return conn_close(c);
  consume(&c->in, at);
  update(c);
}

static void on_conn(struct src *src, unsigned events) {
  struct conn *c = OWNER(src, struct conn, src);
  static char data[CHUNK_BYTES];
  if (events & EPOLLOUT) {
    conn_flush(c);
    if (!c->closing && c->exec && c->out.n == c->sent) exec_write(c->exec);
    if (!c->closing) update(c);
  }
  if (c->closing || !(events & (EPOLLIN | EPOLLHUP | EPOLLERR))) return;
  if (c->exec && c->exec->input.n) return; /* on when the program has read what is there */
  ssize_t n = recv(src->fd, data, sizeof data, 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) return conn_close(c);
  add(&c->in, data, (size_t)n);
  conn_pump(c);
}

void on_accept(struct src *s, unsigned events) {
  (void)events;
  struct ucred who;
  socklen_t n = sizeof who;
  int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return;
  if (nconns >= CONNECTIONS_MAX || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) ||
      (who.uid != 0 && who.uid != geteuid())) {
    close(fd);
    return;
  }
  struct conn *c = calloc(1, sizeof *c);
  if (!c) abort();
  c->serial = ++g.serial;
  c->next = g.conns, g.conns = c;
  nconns++;
  watch(&c->src, fd, EPOLLIN, on_conn);
}
