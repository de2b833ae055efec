/* Commands and terminals inside a sandbox. They are held here and not in the server: output is kept while nobody reads
 * it, a reader that is slow slows its program and nobody else, and whoever comes back joins again by id. */

enum {
  EXEC_BUFFER_BYTES = 1 << 20, EXEC_ATTACHED_BYTES = 256 << 10, /* of output: with nobody to read it, and with one */
  EXEC_SCROLLBACK_BYTES = 65536, COMMAND_BYTES_MAX = 4096, /* a terminal's last output; what is shown of an argv */
  EXEC_KEPT_MS = 60000, EXEC_KEPT_MAX = 256, /* after its end, for who has not read it */
  EXEC_START_MS_MAX = 30000, EXEC_POLL_MS = 10, /* until it runs; for the pid file of a runtime that stays */
  RETRY_KILL_MS = 500, FAMILY_DEPTH_MAX = 16,
};
struct exec {
  char id[ID_BYTES_MAX + 1], pid_file[PATH_MAX], console[PATH_MAX]; struct sandbox *box;
  bool tty, follow_runtime, running, exited, sealed, timed_out, in_close; pid_t runtime, pid;
  struct winsize size; struct src in, out, err, console_src;
  struct buf frames, input, command;   /* whole frames to the reader; bytes for the program; fields */
  size_t sent, part, input_sent;       /* `sent` is at a frame's start, `part` bytes of that frame are out */
  struct conn *conn; struct ref ref; i64 begun, begun_wall, deadline, ended; uint64_t ooms;
  struct exit_info exit; struct exec *next;
};
static void exec_write(struct exec *e), feed(struct exec *e); static size_t nexecs; /* of all sandboxes */
static struct winsize size_in(const struct msg *m) {
  return (struct winsize){.ws_col = (uint16_t)get_num(m, "cols", 80), .ws_row = (uint16_t)get_num(m, "rows", 24)};
}
static struct exec *exec_find(struct sandbox *s, const char *id) {
  struct exec *e = s->execs; while (e && strcmp(e->id, id)) e = e->next; return e;
}
static bool room(const struct exec *e) {
  size_t unread = e->frames.n - e->sent;
  return e->conn ? unread < EXEC_ATTACHED_BYTES : e->tty || unread < EXEC_BUFFER_BYTES;
}
static void listen_to_program(struct exec *e) {
  rewatch(&e->out, room(e) ? EPOLLIN : 0), rewatch(&e->err, room(e) ? EPOLLIN : 0);
}
static void exec_detach(struct conn *c) {
  struct exec *e = c->exec; if (!e) return;
  c->exec = NULL, e->conn = NULL, e->part = 0; /* a frame that was cut off is sent whole to the next */
  if (e->tty) e->sent = 0;
  listen_to_program(e);
}
static void exec_free(struct exec *e) {
  struct conn *c = e->conn; UNLINK(e->box->execs, e); nexecs--; if (c) exec_detach(c), conn_close(c);
  drop(&e->in), drop(&e->out), drop(&e->err), drop(&e->console_src); if (*e->console) unlink(e->console);
  free(e->frames.p), free(e->input.p), free(e->command.p), bury(e);
}
static void execs_forget(struct sandbox *s) {
  for (struct exec *e; (e = s->execs); exec_free(e)) {
    if (!e->running) answer_error(e->ref, "exec_failed", "the sandbox was removed");
    if (!e->exited && e->pid) kill(e->pid, SIGKILL);
  }
}
static size_t frame_bytes(const struct exec *e, size_t at) {
  uint32_t n; memcpy(&n, e->frames.p + at, 4); return HEADER_BYTES + n;
}
static void trim(struct exec *e) { /* Forgets what was read; of a terminal the last screenfuls stay, for who joins. */
  size_t cut = 0, to = e->conn || !e->tty ? e->sent : e->frames.n, keep = e->tty ? EXEC_SCROLLBACK_BYTES : 0;
  while (cut < to && e->frames.n - cut - frame_bytes(e, cut) >= keep) cut += frame_bytes(e, cut);
  if (cut < CHUNK_BYTES && cut < e->frames.n) return;
  consume(&e->frames, cut), e->sent = e->sent > cut ? e->sent - cut : 0;
}
static bool pull(struct exec *e, struct src *src, unsigned type) { /* One read. `false`: nothing now, or it is over. */
  static char data[CHUNK_BYTES];
  ssize_t n = src->fd < 0 ? 0 : read(src->fd, data, sizeof data);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (n <= 0) return drop(src), false;
  frame(&e->frames, type, 0, data, (size_t)n), trim(e); return true;
}
static void on_program(struct src *s, unsigned ev) {
  (void)ev, room(s->of) && pull(s->of, s, (unsigned)s->stream), exec_write(s->of);
}
static void seal_when_drained(struct exec *e) { /* where there is no room, it goes on when the reader has taken some */
  while (room(e) && (pull(e, &e->out, M_STDOUT) | pull(e, &e->err, M_STDERR))) {}
  if (!room(e)) return;
  struct buf b = {0};
  put_exit(&b, &e->exit), num(&b, "timedOut", e->timed_out), frame(&e->frames, M_EXIT, 0, b.p, b.n), free(b.p);
  e->sealed = true, e->ended = mono_ms(); drop(&e->in), drop(&e->out), drop(&e->err);
}
static void exec_write(struct exec *e) { /* Writes to the reader what there is, then lets the program go on or wait. */
  if (e->exited && !e->sealed) seal_when_drained(e);
  for (struct conn *c; (c = e->conn) && c->out.n == c->sent && e->sent < e->frames.n;) {
    ssize_t n = send(c->src.fd, e->frames.p + e->sent + e->part, e->frames.n - e->sent - e->part, MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN) break;
    if (n < 0 && errno != EINTR) conn_close(c);
    if (n > 0) e->part += (size_t)n;
    while (e->sent < e->frames.n && e->part >= frame_bytes(e, e->sent))
      e->part -= frame_bytes(e, e->sent), e->sent += frame_bytes(e, e->sent);
    if (e->exited && !e->sealed) seal_when_drained(e);
  }
  trim(e); struct conn *c = e->conn;
  if (e->sealed && c && e->sent == e->frames.n) {
    /* The reader closes: closing here, over its unread input, would lose the end. */
    c->over = true, exec_detach(c), conn_flush(c); return exec_free(e);
  }
  listen_to_program(e); if (e->conn) conn_flush(e->conn);
}
static void exec_ended(struct exec *e, int status) {
  e->exit = exit_now(status, NULL); e->exit.oom = cgroup_ooms(e->box->id) > e->ooms && (e->exit.sig || e->exit.code);
  e->exited = true, exec_write(e);
}
/* Its runtime did not start it: what the runtime said goes back to who asked. */
static void exec_failed(struct exec *e, const char *why, int status) {
  struct buf b = {0}; char words[OUTPUT_BYTES_MAX + 1];
  ssize_t n = read(e->err.fd, words, OUTPUT_BYTES_MAX); words[n > 0 ? n : 0] = 0;
  text(&b, "code", "runtime_failed"), text(&b, "message", why), put_words(&b, words, n);
  if (WIFEXITED(status)) num(&b, "exitCode", WEXITSTATUS(status));
  num(&b, "oom", cgroup_ooms(e->box->id) > e->ooms), answer(e->ref, M_ERROR, &b), free(b.p);
  if (e->pid) kill(e->pid, SIGKILL);
  exec_free(e);
}
static void on_console(struct src *src, unsigned events) {
  struct exec *e = src->of; char name[64], space[CMSG_SPACE(sizeof(int) * 4)];
  struct msghdr h = {.msg_iov = &(struct iovec){name, sizeof name}, .msg_iovlen = 1, .msg_control = space,
                     .msg_controllen = sizeof space};
  int peer = accept4(src->fd, NULL, NULL, SOCK_CLOEXEC), fd; (void)events; if (peer < 0) return;
  setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){.tv_sec = 1}, sizeof(struct timeval));
  struct cmsghdr *c = recvmsg(peer, &h, MSG_CMSG_CLOEXEC) >= 0 ? CMSG_FIRSTHDR(&h) : NULL; close(peer);
  if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || c->cmsg_len < CMSG_LEN(sizeof fd)) return;
  memcpy(&fd, CMSG_DATA(c), sizeof fd); ioctl(fd, TIOCSWINSZ, &e->size), fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
  drop(&e->in), drop(&e->out), drop(src); e->in.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0), e->out.fd = fd;
}
static void exec_started(struct exec *e, pid_t pid) {
  struct buf b = {0}; int status; e->pid = pid, e->running = true;
  if (e->tty) drop(&e->err), unlink(e->console); /* it was the runtime's */
  e->out.fn = e->err.fn = on_program, e->out.of = e->err.of = e, listen_to_program(e);
  text(&b, "exec", e->id), answer(e->ref, M_OK, &b), free(b.p);
  if (!e->follow_runtime && orphan_take(pid, e->begun, &status)) exec_ended(e, status);
}
static void exec_runtime_ended(struct exec *e, int status) {
  pid_t pid = named_pid(AT_FDCWD, e->pid_file); e->runtime = 0;
  if (e->tty && e->out.fd < 0 && e->console_src.fd >= 0) on_console(&e->console_src, 0);
  if (e->follow_runtime && !e->running && pid) exec_started(e, e->pid);
  if (e->follow_runtime && e->running) return exec_ended(e, status);
  if (status || !pid) return exec_failed(e, "the runtime could not start the command", status);
  if (e->tty && e->out.fd < 0) return exec_failed(e, "the runtime sent no terminal", status);
  if (!cgroup_holds(e->box->id, pid) && kill(pid, 0) == 0) return exec_failed(e, "its pid is a stranger's", status);
  exec_started(e, pid);
}
static bool exec_reaped(pid_t pid, int status) {
  for (struct sandbox *s = boxes; s; s = s->next)
    for (struct exec *e = s->execs; e; e = e->next) {
      if (e->runtime == pid) return exec_runtime_ended(e, status), true;
      if (e->running && !e->exited && e->pid == pid) return exec_ended(e, status), true;
    }
  return false;
}
static _Noreturn void become_exec(const struct msg *m, const char *id, int in, int out, int err) {
  int keep[3] = {in, out, err}; enter_child(keep, 3), prctl(PR_SET_PDEATHSIG, 0), setsid();
  for (int i = 0; i < 3; i++) dup2(keep[i], i);
  if (!cgroup_join(id)) exec_runtime(m, sealed_fd);
  dprintf(2, "arc-node: %s: %s\n", get(m, "arg"), strerror(errno)), _exit(126);
}
static struct exec *exec_new(struct ref ref, struct sandbox *s, const struct msg *m) {
  struct exec *e = make(sizeof *e), *last = NULL; int finished = 0; nexecs++;
  for (struct exec *x = s->execs; x; x = x->next)
    if (x->sealed && !x->conn) finished++, last = x; /* the newest are first */
  if (finished >= EXEC_KEPT_MAX) exec_free(last);
  e->in.fd = e->out.fd = e->err.fd = e->console_src.fd = -1, e->box = s, e->ref = ref;
  e->out.stream = M_STDOUT, e->err.stream = M_STDERR;
  e->tty = get_num(m, "tty", 0) == 1, e->follow_runtime = is(m, "follow", "runtime"); e->size = size_in(m);
  snprintf(e->id, sizeof e->id, "%s", get(m, "exec"));
  if (e->tty) snprintf(e->console, PATH_MAX, "%s", get(m, "consoleSocket"));
  const char *pid_file = get(m, "pidFile");
  snprintf(e->pid_file, PATH_MAX, "%s", *pid_file == '/' ? pid_file : path_in(s->id, pid_file)), unlink(e->pid_file);
  for (const char *c = NULL; (c = next_value(m, "command", c));)
    if (e->command.n + strlen(c) < COMMAND_BYTES_MAX) text(&e->command, "command", c);
  e->begun = mono_ms(), e->begun_wall = clock_ns(CLOCK_REALTIME) / 1000000, e->ooms = cgroup_ooms(s->id);
  i64 limit = get_num(m, "timeoutMs", 0); e->deadline = limit > 0 ? e->begun + limit : 0;
  return e->next = s->execs, s->execs = e;
}
static void exec_request(struct ref ref, struct sandbox *s, const struct msg *m) {
  int in[2], out[2], err[2], console = 0; struct exec *e = exec_new(ref, s, m); seal(m);
  if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC)) abort(); /* no descriptors: start anew */
  if (e->tty && (console = listen_at(e->console)) >= 0) watch(&e->console_src, console, EPOLLIN, on_console, e);
  if (console > 0) chmod(e->console, 0666); /* for runtimes that are root of the sandbox only */
  if (console >= 0 && (e->runtime = fork()) == 0) become_exec(m, s->id, in[0], e->tty ? err[1] : out[1], err[1]);
  close(in[0]), close(out[1]), close(err[1]);
  fcntl(in[1], F_SETFL, O_NONBLOCK), fcntl(out[0], F_SETFL, O_NONBLOCK), fcntl(err[0], F_SETFL, O_NONBLOCK);
  e->in.fd = in[1], e->err.fd = err[0]; /* not watched until it runs: till then it is the runtime that speaks */
  if (e->tty) drop(&e->in), close(out[0]);
  else e->out.fd = out[0];
  if (e->follow_runtime) e->pid = e->runtime;
  if (console < 0 || e->runtime < 0) answer_error(ref, "exec_failed", strerror(errno)), exec_free(e);
}
static void exec_put(struct buf *b, struct exec *e) {
  text(b, "exec", e->id), num(b, "tty", e->tty), num(b, "startedAt", e->begun_wall), num(b, "ended", e->exited);
  add(b, e->command.p, e->command.n); if (e->exited) put_exit(b, &e->exit), num(b, "timedOut", e->timed_out);
}
static void exec_attach(struct conn *c, uint32_t id, struct exec *e) {
  struct conn *old = e->conn; struct buf b = {0};
  if (old) { /* the frame it is reading is finished, then it is told */
    if (e->part) add(&old->out, e->frames.p + e->sent + e->part, frame_bytes(e, e->sent) - e->part);
    if (e->part) e->sent += frame_bytes(e, e->sent);
    frame(&old->out, M_TAKEN, 0, NULL, 0), exec_detach(old), conn_flush(old), conn_close(old);
  }
  exec_put(&b, e), answer((struct ref){c->serial, id}, M_OK, &b), free(b.p); if (c->closed) return;
  c->exec = e, e->conn = c; if (e->tty) e->sent = 0; exec_write(e);
}
static void on_input(struct src *s, unsigned ev) {
  struct exec *e = s->of; (void)ev, feed(e); if (e->conn && !e->input.n) conn_pump(e->conn);
}
static void feed(struct exec *e) { /* what doesn't go into the program now waits, and so does who writes it */
  while (e->in.fd >= 0 && e->input_sent < e->input.n) {
    ssize_t n = write(e->in.fd, e->input.p + e->input_sent, e->input.n - e->input_sent);
    if (n < 0 && errno == EAGAIN) return watch(&e->in, e->in.fd, EPOLLOUT, on_input, e);
    if (n < 0 && errno != EINTR) drop(&e->in); /* nobody reads it */
    if (n > 0) e->input_sent += (size_t)n;
  }
  consume(&e->input, e->input.n), e->input_sent = 0, rewatch(&e->in, 0); if (e->in_close && !e->tty) drop(&e->in);
}
static int exec_control(struct exec *e, const struct msg *m) {
  i64 sig = get_num(m, "signal", -1); if (m->type == M_RESIZE_EXEC) e->size = size_in(m);
  if (m->type == M_RESIZE_EXEC) return e->tty && e->out.fd >= 0 ? ioctl(e->out.fd, TIOCSWINSZ, &e->size) : 0;
  if (sig < 1 || sig > 64) return errno = EINVAL, -1;
  return e->running && !e->exited ? kill(e->pid, (int)sig) : 0; /* our child and not reaped: the pid is its own */
}
/* A message on a joined connection; false: it has no place there. */
static bool exec_input(struct exec *e, const struct msg *m) {
  if (m->type == M_RESIZE_EXEC || m->type == M_SIGNAL_EXEC) return exec_control(e, m), true;
  if (m->type == M_STDIN) add(&e->input, m->p, e->in.fd >= 0 && !e->in_close ? m->n : 0);
  else if (m->type == M_STDIN_CLOSE && e->tty) add(&e->input, "\4", 1);
  else if (m->type == M_STDIN_CLOSE) e->in_close = true;
  else return false;
  return feed(e), true;
}
/* SIGKILL to a command and to what came from it, as far as its group and its children tell. */
static void kill_family(pid_t pid, int depth) {
  char kids[4096], *at = kids, *end; struct proc p; if (depth == 0 || !proc_stat(pid, &p)) return;
  pid_t to = p.group > 1 && p.group == p.session && p.group != getsid(0) ? -p.group : pid; /* made by our setsid */
  kill(to, SIGSTOP); /* so that it makes no more of them meanwhile */
  read_file(AT_FDCWD, str("/proc/%d/task/%d/children", pid, pid), kids, sizeof kids);
  for (long kid; (kid = strtol(at, &end, 10)) > 1 && end != at; at = end) kill_family((pid_t)kid, depth - 1);
  kill(to, SIGKILL), kill(pid, SIGKILL);
}
static i64 execs_tick(struct sandbox *s, i64 now) { /* until when nothing is to be done, or -1 */
  i64 wait = -1;
  for (struct exec *e = s->execs, *next; e; e = next) {
    i64 due = -1; next = e->next;
    if (!e->running && e->follow_runtime && named_pid(AT_FDCWD, e->pid_file) && !(e->tty && e->out.fd < 0))
      exec_started(e, e->pid);
    if (!e->running && now >= e->begun + EXEC_START_MS_MAX) kill(e->runtime, SIGKILL);
    if (e->running && !e->exited && e->deadline && now >= e->deadline) {
      e->timed_out = true, e->deadline = now + RETRY_KILL_MS; kill_family(e->pid, FAMILY_DEPTH_MAX);
    }
    if (!e->running) due = e->follow_runtime ? EXEC_POLL_MS : EXEC_START_MS_MAX;
    else if (!e->exited && e->deadline) due = e->deadline - now;
    else if (e->sealed && !e->conn) due = e->ended + EXEC_KEPT_MS - now;
    if (e->sealed && !e->conn && due <= 0) exec_free(e), due = -1;
    if (due >= 0 && (wait < 0 || due < wait)) wait = due;
  }
  return wait;
}
