/* Which message goes where, and workers. A sandbox has at most one: a later order takes an earlier one's place. */
#include "conn.h"
struct job { /* work in a forked child; its answer comes back through a pipe */
  struct src src; pid_t pid; unsigned kind; struct ref ref; i64 begun; struct buf order, result; struct job *next;
};
static struct job *jobs; static int njobs; static void reap(void);
static void broadcast_exit(struct sandbox *s) {
  struct buf b = {0}; text(&b, "id", s->id), num(&b, "inc", s->inc), add(&b, s->exit.p, s->exit.n);
  for (struct conn *c = conns, *next; c; c = next) if (next = c->next, c->subscribed) say(c, M_EXIT_EVENT, 0, &b);
  free(b.p);
}
static const char *job_id(const struct job *j) { return get(&(struct msg){.p = j->order.p, .n = j->order.n}, "id"); }
static void job_done(struct job *j, unsigned type, const struct buf *b) {
  answer(j->ref, type, b); UNLINK(jobs, j); njobs--, drop(&j->src), free(j->order.p), free(j->result.p), bury(j);
}
static void start_failed(struct sandbox *s, bool undone) { /* not undone: its worker was killed */
  logs_close(s), unlink(path_in(s->id, "stdout")), unlink(path_in(s->id, "stderr"));
  if (undone && !s->recorded) unlink(path_in(s->id, "record")), sandbox_forget(s);
  else s->recorded = true, sandbox_record(s, "partial");
}
static void on_result(struct src *src, unsigned events) {
  struct job *j = src->of; char data[4096]; ssize_t n = read(src->fd, data, sizeof data); (void)events;
  if (n > 0 && j->result.n < FRAME_BYTES_MAX / 2) return add(&j->result, data, (size_t)n);
  struct msg r = {.p = j->result.p, .n = j->result.n}; struct sandbox *s = sandbox_find(job_id(j));
  bool ok = has(&r, "done"); reap(); /* what a stop has ended is known to have ended, before that is told */
  if (j->kind == M_START && s && ok) sandbox_started(s, &r, j->begun);
  else if (j->kind == M_START && s) start_failed(s, has(&r, "code"));
  if (j->kind == M_STOP && ok && s && s->phase == RUNNING) on_adopted(&s->pidfd, 0);
  if (j->kind == M_DESTROY && ok && s) sandbox_forget(s);
  if (j->kind == M_FILES) j->ref.conn = 0; /* its worker has answered, or is gone with the connection */
  if (!ok && !has(&r, "code")) fail("helper_unavailable", "its worker was killed"), put_failure(&j->result);
  job_done(j, ok ? M_OK : M_ERROR, &j->result);
}
static _Noreturn void work(const struct job *j, const struct sandbox *s, int out, int session) {
  struct msg o = {.p = j->order.p, .n = j->order.n}; struct buf result = {0};
  char *dir = strdup(str("%s/sandboxes/%s", data_dir, job_id(j))); int r, keep[2] = {out, session};
  enter_child(keep, session < 0 ? 1 : 2);
  if (j->kind == M_FILES) files_worker(keep[1], j->ref.id, s, get(&o, "root"));
  if (j->kind == M_START) r = box_start(&o, &result);
  else if (j->kind == M_LAYER_MARKS) r = layer_marks(&o);
  else r = box_stop(job_id(j), dir, s ? s->hostif : "", s && s->phase == RUNNING ? s->pid : 0, s ? s->pid_start : 0);
  /* The loop may just be writing the exit, or the last of the log, into it. */
  for (int tries = 100; j->kind == M_DESTROY && remove_tree(AT_FDCWD, dir, 32); usleep(1000))
    if (errno != ENOTEMPTY || !tries--) { r = fail_errno(dir); break; }
  if (!r) text(&result, "done", "1");
  else if (!has(&(struct msg){.p = result.p, .n = result.n}, "code")) put_failure(&result);
  _exit(write_all(keep[0], result.p, result.n) != 0);
}
static struct job *job_of(const char *id, const struct job *but) { /* what starts or ends this sandbox */
  struct job *j = jobs; while (j && (j == but || j->kind == M_FILES || !*id || strcmp(job_id(j), id))) j = j->next;
  return j;
}
/* What runs for the same sandbox is killed, and who ordered it told so. */
static void take_over(struct job *j, const char *id) {
  struct job *old = job_of(id, j); struct buf why = {0}; if (!old) return;
  kill(old->pid, SIGKILL), waitpid(old->pid, NULL, 0);
  if (old->kind == M_DESTROY && j->kind == M_STOP) j->kind = M_DESTROY;
  if (old->kind == M_START) start_failed(sandbox_find(id), false);
  fail("conflict", "another order for this sandbox came in between"), put_failure(&why);
  job_done(old, M_ERROR, &why), free(why.p);
}
static void job_add(unsigned kind, struct ref ref, const struct msg *m, int fd) { /* `fd`: of a file session */
  struct job *j = make(sizeof *j);
  *j = (struct job){.src.fd = -1, .kind = kind, .ref = ref, .begun = mono_ms(), .next = jobs};
  jobs = j, njobs++, add(&j->order, m->p, m->n), m = &(struct msg){.p = j->order.p, .n = j->order.n};
  take_over(j, get(m, "id")); struct sandbox *s = sandbox_find(get(m, "id")); /* the first may end its connection */
  if (kind == M_START) { /* the record is there before anything is made */
    if (!s) s = sandbox_new(get(m, "id"));
    logs_close(s), sandbox_fields(s, m), s->phase = PARTIAL, s->pid = 0, seal(m);
    sandbox_record(s, "starting"), logs_open(s, get_num(m, "stdioUid", 0));
  }
  int fds[2]; j->pid = njobs > JOBS_MAX || pipe2(fds, O_CLOEXEC) ? -1 : fork();
  if (j->pid == 0) work(j, s, fds[1], fd);
  if (j->pid > 0) return close(fds[1]), watch(&j->src, fds[0], EPOLLIN, on_result, j);
  fail("at_capacity", "too many orders at once"), put_failure(&j->result); if (kind == M_START) start_failed(s, true);
  job_done(j, M_ERROR, &j->result);
}
static void clean_up(struct sandbox *s) { /* after its end, unless a stop is at it already */
  struct buf b = {0}; text(&b, "id", s->id);
  if (!job_of(s->id, NULL)) job_add(M_STOP, (struct ref){0, 0}, &(struct msg){.p = b.p, .n = b.n}, -1);
  free(b.p);
}
static bool id_ok(const char *id) {
  size_t n = strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-");
  return n > 0 && n <= ID_BYTES_MAX && id[0] != '-' && !id[n];
}
static void start_request(struct ref ref, struct sandbox *s, const struct msg *m) {
  const char *hostif = get(m, "hostif"); size_t n = strlen(hostif);
  bool good = n > 0 && n < 16 && strspn(hostif, "abcdefghijklmnopqrstuvwxyz0123456789") == n && has(m, "lower") &&
              is(m, "dir", str("%s/sandboxes/%s", data_dir, get(m, "id"))) && get_num(m, "inc", 0) > 0 &&
              get_num(m, "hostBase", 0) >= 65536 && get_num(m, "idCount", 0) > 0 && get_num(m, "logBytes", 0) > 0 &&
              get_num(m, "logRate", 0) >= 0 && get_num(m, "upperBytes", 0) > 0 && get(m, "arg")[0] == '/' &&
              get(m, "rootMount")[0] == '/';
  if (!good) return answer_error(ref, "invalid_request", "something is missing or out of range");
  if (s && s->phase == RUNNING && s->inc == get_num(m, "inc", 0)) {
    struct buf b = {0}; sandbox_put(&b, s, "running"), answer(ref, M_OK, &b), free(b.p);
  } else if (s && (s->phase == RUNNING || s->inc > get_num(m, "inc", 0)))
    answer_error(ref, "wrong_state", "an incarnation of this sandbox is there already");
  else job_add(M_START, ref, m, -1);
}
static void list_request(struct ref ref, struct sandbox *of) { /* of all sandboxes, or the commands of one */
  struct buf b = {0};
  for (struct exec *e = of ? of->execs : NULL; e; e = e->next, b.n = 0) exec_put(&b, e), answer(ref, M_ITEM, &b);
  for (struct sandbox *s = of ? NULL : boxes; s; s = s->next, b.n = 0) {
    sandbox_put(&b, s, PHASES[s->phase]); if (s->phase == EXITED) add(&b, s->exit.p, s->exit.n);
    answer(ref, M_ITEM, &b);
  }
  answer(ref, M_OK, NULL), free(b.p);
}
/* What is about a sandbox of just this incarnation. */
static void sandbox_request(struct conn *c, struct ref ref, struct sandbox *s, const struct msg *m) {
  struct exec *e = exec_find(s, get(m, "exec")); i64 sig = get_num(m, "signal", -1);
  bool about_exec = m->type == M_ATTACH || m->type == M_SIGNAL_EXEC || m->type == M_RESIZE_EXEC;
  if (m->type == M_EXECS) return list_request(ref, s);
  if (about_exec && (!e || !e->running)) return answer_error(ref, "exec_not_found", "there is no such command here");
  if (m->type == M_ATTACH) return exec_attach(c, m->id, e);
  if (s->phase != RUNNING) return answer_error(ref, "wrong_state", "the sandbox is not running");
  if (m->type == M_FILES && get(m, "root")[0] == '/') return job_add(M_FILES, ref, m, c->src.fd), conn_close(c);
  if (m->type == M_EXEC && (e || !id_ok(get(m, "exec")) || get(m, "arg")[0] != '/' || !has(m, "pidFile")))
    return answer_error(ref, "invalid_request", "exec, arg or pidFile");
  if (m->type == M_EXEC) return exec_request(ref, s, m);
  if (e ? exec_control(e, m) : sig < 1 || sig > 64) return answer_error(ref, "invalid_request", "signal");
  if (!e && pidfd_kill(s->pidfd.fd, (int)sig) && errno != ESRCH) return answer_error(ref, "internal", strerror(errno));
  answer(ref, M_OK, NULL);
}
static void hello(struct conn *c, struct ref ref, const struct msg *m) { /* the client compares `v`, too */
  struct buf b = {0}; c->greeted = get_num(m, "v", 0) == PROTOCOL_VERSION;
  num(&b, "v", PROTOCOL_VERSION), num(&b, "pid", getpid()), num(&b, "cgroup", cgroup_version);
  answer(ref, M_OK, &b), free(b.p);
}
static void request(struct conn *c, const struct msg *m) {
  struct ref ref = {c->serial, m->id}; i64 inc = get_num(m, "inc", -1);
  struct sandbox *s = sandbox_find(get(m, "id")); bool ends = m->type == M_STOP || m->type == M_DESTROY;
  if ((m->n > 0 && m->p[m->n - 1] != 0) || m->type < M_HELLO || m->type > M_QUIT) return conn_close(c);
  if (m->type == M_HELLO) return hello(c, ref, m);
  if (m->type == M_QUIT) return quit = true, answer(ref, M_OK, NULL);
  if (!c->greeted) return answer_error(ref, "helper_protocol", "say hello with this version first");
  if (m->type == M_LIST) return list_request(ref, NULL);
  if (m->type == M_SUBSCRIBE) return c->subscribed = true, answer(ref, M_OK, NULL);
  if (m->type == M_LAYER_MARKS && !has(m, "id")) return job_add(M_LAYER_MARKS, ref, m, -1);
  if (!id_ok(get(m, "id")) || inc < 0) return answer_error(ref, "invalid_request", "id or inc");
  if (m->type == M_START) return start_request(ref, s, m);
  if (ends && ((s && s->inc > inc) || (!s && m->type == M_STOP))) return answer(ref, M_OK, NULL);
  if (ends) return job_add(m->type, ref, m, -1);
  if (!s || s->inc != inc) return answer_error(ref, "sandbox_not_found", "there is no such incarnation here");
  sandbox_request(c, ref, s, m);
}
static void on_accept(struct src *s, unsigned events) {
  struct ucred who; socklen_t n = sizeof who;
  int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC); (void)events; if (fd < 0) return;
  bool ours = !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) && (!who.uid || who.uid == geteuid());
  if (ours) conn_new(fd); else shut(fd);
}
