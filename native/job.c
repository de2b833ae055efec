/* Work that may block, in forked children: some at a time, one after the other for the same sandbox. */
#include "arc.h"

static const char *id_of(const struct job *j) {
  struct msg m = {.p = j->order.p, .n = j->order.n};
  const char *id = get(&m, "id");
  return id ? id : "";
}

static void job_free(struct job *j) {
  for (struct job **at = &g.jobs; *at; at = &(*at)->next)
    if (*at == j) {
      *at = j->next;
      break;
    }
  drop(&j->src);
  free(j->order.p), free(j->result.p);
  bury(j);
}

/* What starts gives way to what ends it: the worker is killed, and the one that ends it cleans up behind it. */
static void cancel_starts(const char *id) {
  for (struct job *j = g.jobs, *next; j; j = next) {
    next = j->next;
    if (j->kind != M_START || strcmp(id_of(j), id)) continue;
    j->cancelled = true;
    if (j->pid) kill(j->pid, SIGKILL);
    else {
      answer_error(j->ref, "conflict", "the start was overtaken by a stop");
      job_free(j);
    }
  }
}

void job_add(unsigned kind, struct ref ref, struct sandbox *s, const struct msg *m) {
  int waiting = 0;
  struct job **at = &g.jobs;
  for (; *at; at = &(*at)->next) waiting++;
  if (waiting >= JOBS_WAITING_MAX) return answer_error(ref, "at_capacity", "too many orders wait");
  struct job *j = calloc(1, sizeof *j);
  if (!j) abort();
  *j = (struct job){.src.fd = -1, .kind = kind, .ref = ref, .box = s};
  add(&j->order, m->p, m->n);
  *at = j;
  if (kind == M_STOP || kind == M_DESTROY) cancel_starts(id_of(j));
  jobs_run();
}

/* The record is there before anything is made. */
static struct sandbox *begin_start(const struct msg *o) {
  const char *id = get(o, "id");
  struct sandbox *s = sandbox_find(id);
  if (!s) s = sandbox_new(id, 0);
  s->inc = get_int(o, "inc", 1), s->slot = get_int(o, "slot", 0);
  s->host_base = get_int(o, "hostBase", 0), s->id_count = get_int(o, "idCount", 0);
  s->follow_runtime = !strcmp(get(o, "follow"), "runtime");
  s->log.limit = (uint64_t)get_int(o, "logBytes", 0);
  snprintf(s->hostif, sizeof s->hostif, "%s", get(o, "hostif"));
  s->phase = PARTIAL, s->pid = 0, s->pid_start = 0, s->ending = false;
  sandbox_record(s, "starting");
  sandbox_logs_open(s, get_int(o, "stdioUid", 0), true);
  return s;
}

static void finish_start(struct job *j, struct sandbox *s, const struct msg *r, bool ok) {
  if (ok && s) return sandbox_started(s, r, j->begun);
  if (!s) return;
  sandbox_logs_close(s);
  for (int i = 0; i < 2; i++) {
    char *fifo = path_of(s->dir, i ? "stdout" : "stderr");
    unlink(fifo);
    free(fifo);
  }
  bool clean = get(r, "code") != NULL; /* the worker undid what it made; else it was killed */
  if (clean && !s->recorded) {
    char *record = path_of(s->dir, "record");
    unlink(record);
    free(record);
    return sandbox_forget(s);
  }
  s->recorded = true;
  sandbox_record(s, "partial");
  if (clean || j->cancelled) return;
  struct buf b = {0};
  put(&b, "id", "%s", s->id);
  struct msg m = {.p = b.p, .n = b.n};
  job_add(M_STOP, (struct ref){0, 0}, s, &m);
  free(b.p);
}

static void finish(struct job *j) {
  struct msg r = {.p = j->result.p, .n = j->result.n};
  struct sandbox *s = sandbox_find(id_of(j));
  bool ok = get(&r, "done") != NULL;
  j->finished = true;
  if (j->kind == M_START) finish_start(j, s, &r, ok);
  if (j->kind == M_DESTROY && ok && s) sandbox_forget(s);
  if (j->kind == M_STOP && ok && s && s->phase == RUNNING) {
    j->awaiting_exit = true, j->deadline = mono_ms() + STOP_MS_MAX;
    return;
  }
  if (j->kind == M_STOP && ok && s) s->ending = false;
  if (j->cancelled) answer_error(j->ref, "conflict", "the start was overtaken by a stop");
  else if (ok) answer(j->ref, M_OK, &j->result);
  else if (get(&r, "code")) answer(j->ref, M_ERROR, &j->result);
  else answer_error(j->ref, "internal", "the worker of the node helper was killed");
  job_free(j);
}

static void on_result(struct src *src, unsigned events) {
  struct job *j = OWNER(src, struct job, src);
  char data[4096];
  ssize_t n = read(src->fd, data, sizeof data);
  (void)events;
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n > 0 && j->result.n < FRAME_BYTES_MAX - sizeof data) return add(&j->result, data, (size_t)n);
  drop(src);
  finish(j);
  jobs_run();
}

static _Noreturn void work(struct job *j, struct sandbox *s, int out) {
  struct buf result = {0};
  struct msg o = {.p = j->order.p, .n = j->order.n};
  int keep[1] = {out}, r;
  struct sandbox unknown = {.phase = PARTIAL};
  enter_child(keep, 1);
  char *all = path_of(g.data, "sandboxes"), *dir = path_of(all, id_of(j));
  if (!s) snprintf(unknown.id, sizeof unknown.id, "%s", id_of(j)), unknown.dir = dir, s = &unknown;
  if (j->kind == M_START) r = box_start(&o, &result);
  else if (j->kind == M_STOP) r = box_stop(s);
  else if (j->kind == M_DESTROY) r = box_destroy(s, dir);
  else r = layer_marks(&o);
  if (r && !get(&(struct msg){.p = result.p, .n = result.n}, "code")) put_failure(&result);
  if (!r) put(&result, "done", "1");
  if (write_all(keep[0], result.p, result.n)) {}
  _exit(0);
}

void jobs_run(void) {
  int running = 0;
  for (struct job *j = g.jobs; j; j = j->next) running += j->pid && !j->finished;
  for (struct job *j = g.jobs, *next; j && running < JOBS_RUNNING_MAX; j = next) {
    next = j->next;
    bool blocked = j->pid != 0;
    for (struct job *k = g.jobs; k && k != j && !blocked; k = k->next)
      blocked = *id_of(j) && !k->finished && !strcmp(id_of(k), id_of(j));
    if (blocked) continue;
    int fds[2];
    int64_t begun = mono_ms();
    struct msg o = {.p = j->order.p, .n = j->order.n};
    struct sandbox *s = j->kind == M_START ? begin_start(&o) : sandbox_find(id_of(j));
    pid_t pid = pipe2(fds, O_CLOEXEC) ? -1 : fork();
    if (pid == 0) work(j, s, fds[1]);
    if (pid < 0) {
      answer_error(j->ref, "host_unfit", strerror(errno));
      job_free(j);
      continue;
    }
    close(fds[1]);
    j->pid = pid, j->begun = begun, running++;
    watch(&j->src, fds[0], EPOLLIN, on_result);
  }
}

/* The sandbox's first process has ended: who stopped it is answered. */
void jobs_exited(struct sandbox *s) {
  for (struct job *j = g.jobs, *next; j; j = next) {
    next = j->next;
    if (!j->awaiting_exit || strcmp(id_of(j), s->id)) continue;
    answer(j->ref, M_OK, NULL);
    s->ending = false;
    job_free(j);
  }
}

int64_t jobs_tick(int64_t now) {
  int64_t wait = -1;
  for (struct job *j = g.jobs, *next; j; j = next) {
    next = j->next;
    if (!j->awaiting_exit) continue;
    wait = 100;
    if (now < j->deadline) continue;
    answer_error(j->ref, "internal", "the sandbox's first process does not end");
    job_free(j);
  }
  return wait;
}
