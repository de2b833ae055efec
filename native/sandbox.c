/* The sandboxes this helper holds: their log pipes, their ends, and finding them again after a restart of the helper. */
#include "arc.h"
#include <sys/ioctl.h>

#define ADOPTED_EXIT_MS 1000 /* until the code of a process that is not our child is taken as not to be had */
#define CLEAN_EXIT_MS 10000  /* until an empty cgroup that stays busy is left to the next stop */
#define DRAIN_READS_MAX 32

struct pidfd_exit { uint64_t mask, cgroup; uint32_t ids[11]; int32_t code; };
_Static_assert(sizeof(struct pidfd_exit) == 64, "the first published size of struct pidfd_info");
#define PIDFD_EXIT_BIT 8u
#define PIDFD_EXIT_IOCTL _IOWR(0xFF, 11, struct pidfd_exit)

static struct { pid_t pid; int status; int64_t at; } orphans[ORPHANS_MAX]; /* reaped before the start was reported */
static unsigned norphans;

void orphan_keep(pid_t pid, int status) {
  orphans[norphans % ORPHANS_MAX].pid = pid;
  orphans[norphans % ORPHANS_MAX].at = mono_ms();
  orphans[norphans++ % ORPHANS_MAX].status = status;
}

bool orphan_take(pid_t pid, int64_t since, int *status) {
  for (unsigned i = 0; i < ORPHANS_MAX; i++)
    if (orphans[i].pid == pid && orphans[i].at >= since) return orphans[i].pid = 0, *status = orphans[i].status, true;
  return false;
}

struct sandbox *sandbox_find(const char *id) {
  struct sandbox *s = g.boxes;
  while (s && strcmp(s->id, id)) s = s->next;
  return s;
}

struct sandbox *sandbox_new(const char *id, int64_t inc) {
  struct sandbox *s = calloc(1, sizeof *s);
  char *all = path_of(g.data, "sandboxes");
  if (!s) abort();
  snprintf(s->id, sizeof s->id, "%s", id);
  s->inc = inc, s->dir = path_of(all, id);
  s->pidfd.fd = s->out.fd = s->err.fd = s->log.fd = -1;
  s->next = g.boxes, g.boxes = s;
  free(all);
  return s;
}

void sandbox_forget(struct sandbox *s) {
  for (struct sandbox **at = &g.boxes; *at; at = &(*at)->next)
    if (*at == s) {
      *at = s->next;
      break;
    }
  execs_forget(s);
  sandbox_logs_close(s);
  drop(&s->pidfd);
  free(s->dir);
  bury(s);
}

void sandbox_record(const struct sandbox *s, const char *phase) {
  struct buf b = {0};
  put(&b, "v", "%d", RECORD_VERSION);
  put(&b, "id", "%s", s->id);
  put(&b, "inc", "%lld", (long long)s->inc);
  put(&b, "phase", "%s", phase);
  put(&b, "slot", "%lld", (long long)s->slot);
  put(&b, "hostBase", "%lld", (long long)s->host_base);
  put(&b, "idCount", "%lld", (long long)s->id_count);
  put(&b, "hostif", "%s", s->hostif);
  put(&b, "logBytes", "%llu", (unsigned long long)s->log.limit);
  put(&b, "follow", "%s", s->follow_runtime ? "runtime" : "pid-file");
  put(&b, "boot", "%s", g.boot);
  put(&b, "pid", "%d", s->pid);
  put(&b, "pidStart", "%llu", (unsigned long long)s->pid_start);
  if (write_atomic(s->dir, "record", &b)) fprintf(stderr, "arc-node: record of %s: %s\n", s->id, strerror(errno));
  free(b.p);
}

void sandbox_put(struct buf *b, struct sandbox *s) {
  static const char *const names[] = {[PARTIAL] = "partial", [RUNNING] = "running", [EXITED] = "exited"};
  put(b, "id", "%s", s->id);
  put(b, "inc", "%lld", (long long)s->inc);
  put(b, "dir", "%s", s->dir);
  put(b, "slot", "%lld", (long long)s->slot);
  put(b, "phase", "%s", names[s->phase]);
  put(b, "pid", "%d", s->pid);
  put(b, "pidStart", "%llu", (unsigned long long)s->pid_start);
  if (s->phase == EXITED) put_exit(b, &s->exit);
}

static bool drain(struct sandbox *s, struct src *src, int stream) {
  static char data[CHUNK_BYTES];
  ssize_t n = src->fd < 0 ? 0 : read(src->fd, data, sizeof data);
  if (n > 0) journal_append(&s->log, stream, data, (size_t)n);
  return n > 0;
}

static void on_stdout(struct src *src, unsigned events) {
  (void)events;
  drain(OWNER(src, struct sandbox, out), src, LOG_STDOUT);
}

static void on_stderr(struct src *src, unsigned events) {
  (void)events;
  drain(OWNER(src, struct sandbox, err), src, LOG_STDERR);
}

/*
 * Opened for reading and writing: the pipe lives on without a writer, and a writer waits, with nothing lost, while
 * there is no reader. Not yet watched: until the runtime has started the program, what is in stderr is the runtime's.
 */
void sandbox_logs_open(struct sandbox *s, int64_t owner, bool fresh) {
  sandbox_logs_close(s);
  for (int i = 0; i < 2; i++) {
    struct src *src = i ? &s->err : &s->out;
    char *path = path_of(s->dir, i ? "stderr" : "stdout");
    if (fresh) {
      unlink(path);
      if (mkfifo(path, 0600) || chown(path, (uid_t)owner, (gid_t)owner) || chmod(path, 0622)) {}
    }
    src->fd = open(path, O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    free(path);
  }
  journal_open(&s->log, s->dir, s->log.limit);
}

void sandbox_logs_close(struct sandbox *s) {
  drop(&s->out), drop(&s->err);
  uint64_t limit = s->log.limit;
  journal_close(&s->log);
  s->log.limit = limit;
}

static void sandbox_ended(struct sandbox *s, const struct exit_info *how) {
  struct buf b = {0};
  for (int i = 0; i < DRAIN_READS_MAX && (drain(s, &s->out, LOG_STDOUT) | drain(s, &s->err, LOG_STDERR)); i++) {}
  sandbox_logs_close(s);
  s->exit = *how;
  s->exit.oom = cgroup_ooms(s->id) > 0 && !(how->known && !how->sig && how->code == 0);
  s->phase = EXITED;
  drop(&s->pidfd);
  put(&b, "v", "%d", RECORD_VERSION);
  put(&b, "inc", "%lld", (long long)s->inc);
  put_exit(&b, &s->exit);
  if (write_atomic(s->dir, "exit", &b)) fprintf(stderr, "arc-node: exit of %s: %s\n", s->id, strerror(errno));
  free(b.p);
  s->ending = true, s->ended_ms = mono_ms();
  broadcast_exit(s);
  jobs_exited(s);
}

/* The end of a process that is not our child: its pidfd tells the code once its parent has reaped it (Linux 6.15). */
static void adopted_ended(struct sandbox *s, int64_t now) {
  struct pidfd_exit info = {.mask = PIDFD_EXIT_BIT};
  struct exit_info how = {.at_ms = wall_ns() / 1000000};
  bool told = s->pidfd.fd >= 0 && ioctl(s->pidfd.fd, PIDFD_EXIT_IOCTL, &info) == 0 && info.mask & PIDFD_EXIT_BIT;
  if (!told && now - s->ended_ms < ADOPTED_EXIT_MS) return;
  if (told) exit_from_status(&how, info.code);
  else snprintf(how.note, sizeof how.note, "the exit code was lost when the node helper was restarted");
  sandbox_ended(s, &how);
}

static void on_adopted(struct src *src, unsigned events) {
  struct sandbox *s = OWNER(src, struct sandbox, pidfd);
  (void)events;
  rewatch(src, 0);
  s->ending = true, s->ended_ms = mono_ms();
  adopted_ended(s, s->ended_ms);
}

static void watch_logs(struct sandbox *s) {
  if (s->out.fd >= 0) watch(&s->out, s->out.fd, EPOLLIN, on_stdout);
  if (s->err.fd >= 0) watch(&s->err, s->err.fd, EPOLLIN, on_stderr);
}

void sandbox_started(struct sandbox *s, const struct msg *r, int64_t since) {
  int status;
  struct exit_info how;
  s->pid = (pid_t)get_int(r, "pid", 0);
  s->pid_start = (uint64_t)get_int(r, "pidStart", 0);
  s->pidfd.fd = pidfd_open(s->pid);
  s->child = s->recorded = true;
  s->phase = RUNNING;
  sandbox_record(s, "running");
  watch_logs(s);
  if (!orphan_take(s->pid, since, &status)) return;
  exit_from_status(&how, status);
  sandbox_ended(s, &how);
}

bool sandbox_reaped(pid_t pid, int status) {
  for (struct sandbox *s = g.boxes; s; s = s->next)
    if (s->phase == RUNNING && s->child && s->pid == pid) {
      struct exit_info how;
      exit_from_status(&how, status);
      return sandbox_ended(s, &how), true;
    }
  return false;
}

/* Commands of an earlier helper: their terminals and pipes are gone, so they end. Their parent is outside the sandbox. */
static void end_lost_execs(struct sandbox *s) {
  pid_t pids[4096], parent;
  int n = cgroup_pids(s->id, pids, 4096);
  for (int i = 0; i < n && !s->follow_runtime; i++) {
    bool within = pids[i] == s->pid || !proc_stat(pids[i], NULL, &parent, NULL, NULL, NULL);
    for (int k = 0; k < n && !within; k++) within = pids[k] == parent;
    if (!within) kill_family(s->id, pids[i]);
  }
}

static void adopt(struct sandbox *s) {
  static const char note[] = "the node helper was restarted here; output may be missing\n";
  uint64_t start = 0;
  struct exit_info lost = {.at_ms = wall_ns() / 1000000,
                           .note = "it ended while the node helper was not running; its exit code is not known"};
  char state = 0;
  s->phase = RUNNING;
  s->pidfd.fd = pidfd_open(s->pid);
  sandbox_logs_open(s, 0, false);
  journal_append(&s->log, LOG_ARC, note, sizeof note - 1);
  if (s->pidfd.fd < 0 || !proc_stat(s->pid, &state, NULL, NULL, NULL, &start) || start != s->pid_start)
    return sandbox_ended(s, &lost);
  watch(&s->pidfd, s->pidfd.fd, EPOLLIN, on_adopted);
  watch_logs(s);
  end_lost_execs(s);
}

static void recover_one(const char *id) {
  char text[8192], *all = path_of(g.data, "sandboxes"), *dir = path_of(all, id), *record = path_of(dir, "record"),
                   *exit_file = path_of(dir, "exit");
  ssize_t n = read_file(AT_FDCWD, record, text, sizeof text);
  struct msg m = {.p = text, .n = n > 0 ? (size_t)n : 0};
  const char *phase = get(&m, "phase"), *boot = get(&m, "boot"), *hostif = get(&m, "hostif"), *name = get(&m, "id");
  if (n >= 0 && phase && boot && hostif && name && !strcmp(name, id) && get_int(&m, "v", 0) == RECORD_VERSION) {
    struct sandbox *s = sandbox_new(id, get_int(&m, "inc", 0));
    s->recorded = true;
    s->slot = get_int(&m, "slot", 0), s->host_base = get_int(&m, "hostBase", 0), s->id_count = get_int(&m, "idCount", 0);
    s->log.limit = (uint64_t)get_int(&m, "logBytes", 1 << 20);
    s->pid = (pid_t)get_int(&m, "pid", 0), s->pid_start = (uint64_t)get_int(&m, "pidStart", 0);
    s->follow_runtime = get(&m, "follow") && !strcmp(get(&m, "follow"), "runtime");
    snprintf(s->hostif, sizeof s->hostif, "%s", hostif);
    bool running = !strcmp(phase, "running") && !strcmp(boot, g.boot); /* after a reboot nothing of it runs */
    bool began = !strcmp(phase, "running");
    n = read_file(AT_FDCWD, exit_file, text, sizeof text);
    m.n = n > 0 ? (size_t)n : 0;
    if (began && get_int(&m, "inc", -1) == s->inc) s->phase = EXITED, get_exit(&m, &s->exit);
    else if (running) adopt(s);
  } else if (n >= 0)
    fprintf(stderr, "arc-node: the record of %s can not be read\n", id);
  free(all), free(dir), free(record), free(exit_file);
}

void recover(void) {
  char *all = path_of(g.data, "sandboxes");
  if (mkdir(all, 0700) && errno != EEXIST) fprintf(stderr, "arc-node: %s: %s\n", all, strerror(errno));
  DIR *d = opendir(all);
  for (struct dirent *e; d && (e = readdir(d));)
    if (e->d_name[0] != '.' && strlen(e->d_name) <= ID_BYTES_MAX) recover_one(e->d_name);
  if (d) closedir(d);
  free(all);
}

int64_t sandboxes_tick(int64_t now) {
  int64_t wait = -1;
  for (struct sandbox *s = g.boxes, *next; s; s = next) {
    next = s->next;
    int64_t w = execs_tick(s, now);
    if (w >= 0 && (wait < 0 || w < wait)) wait = w;
    if (!s->ending) continue;
    if (s->phase == RUNNING) adopted_ended(s, now);
    else if ((!cgroup_kill(s->id, 0) && !cgroup_remove(s->id, 0)) || now - s->ended_ms > CLEAN_EXIT_MS) s->ending = false;
    if (s->ending && (wait < 0 || wait > 20)) wait = 20;
  }
  return wait;
}
