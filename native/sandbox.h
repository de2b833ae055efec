/* The sandboxes that are held: their log pipes, their ends, and finding them again after a restart of the helper. */
enum { DRAIN_READS_MAX = 32, PIDS_MAX = 1024, PIDFD_EXIT_BIT = 8 };
struct pidfd_exit { uint64_t mask, cgroup; uint32_t ids[11]; int32_t code; };
_Static_assert(sizeof(struct pidfd_exit) == 64, "the first published size of struct pidfd_info");
#define PIDFD_EXIT_IOCTL _IOWR(0xFF, 11, struct pidfd_exit)
static struct sandbox *sandbox_find(const char *id) {
  struct sandbox *s = boxes; while (s && strcmp(s->id, id)) s = s->next; return s;
}
static struct sandbox *sandbox_new(const char *id) {
  struct sandbox *s = make(sizeof *s); snprintf(s->id, sizeof s->id, "%s", id);
  s->pidfd.fd = s->out.fd = s->err.fd = s->log.fd = -1, s->pidfd.of = s->out.of = s->err.of = s;
  s->out.stream = LOG_STDOUT, s->err.stream = LOG_STDERR; return s->next = boxes, boxes = s;
}
static void logs_close(struct sandbox *s) { drop(&s->out), drop(&s->err), journal_close(&s->log); }
static void sandbox_forget(struct sandbox *s) {
  UNLINK(boxes, s); execs_forget(s), logs_close(s), drop(&s->pidfd), free(s->exit.p), bury(s);
}
static void sandbox_put(struct buf *b, const struct sandbox *s, const char *phase) {
  text(b, "id", s->id), num(b, "inc", s->inc), num(b, "slot", s->slot), num(b, "pid", s->pid), text(b, "phase", phase);
  num(b, "pidStart", (i64)s->pid_start), text(b, "dir", str("%s/sandboxes/%s", data_dir, s->id));
}
static void sandbox_record(const struct sandbox *s, const char *phase) {
  struct buf b = {0};
  num(&b, "v", RECORD_VERSION), sandbox_put(&b, s, phase), text(&b, "boot", boot_id), text(&b, "hostif", s->hostif);
  num(&b, "hostBase", s->host_base), num(&b, "idCount", s->id_count), num(&b, "logBytes", (i64)s->log.limit);
  num(&b, "logRate", s->log.rate), text(&b, "follow", s->follow_runtime ? "runtime" : "pid-file");
  write_atomic(path_in(s->id, "record"), &b), free(b.p);
}
static void sandbox_fields(struct sandbox *s, const struct msg *m) { /* of an order or of a record */
  s->inc = get_num(m, "inc", 0), s->slot = get_num(m, "slot", 0), s->host_base = get_num(m, "hostBase", 0);
  s->id_count = get_num(m, "idCount", 0), s->log.limit = (uint64_t)get_num(m, "logBytes", 1 << 20);
  s->pid = (pid_t)get_num(m, "pid", 0), s->pid_start = (uint64_t)get_num(m, "pidStart", 0);
  s->log.rate = get_num(m, "logRate", 0); /* 0: any */
  s->follow_runtime = is(m, "follow", "runtime"), snprintf(s->hostif, sizeof s->hostif, "%s", get(m, "hostif"));
}
static bool drain(struct src *src) {
  static char data[CHUNK_BYTES];
  ssize_t n = src->fd < 0 ? 0 : read(src->fd, data, sizeof data);
  if (n > 0) journal_append(&((struct sandbox *)src->of)->log, src->stream, data, (size_t)n);
  return n > 0;
}
static void on_log(struct src *s, unsigned ev) { (void)ev, drain(s); }
/* Opened for reading and writing: the pipe lives on without a writer, and a writer waits, with nothing lost, while
 * there is no reader. Not yet watched: until the runtime has started the program, stderr is the runtime's. */
static void logs_open(struct sandbox *s, i64 owner) {
  logs_close(s);
  for (int i = 0; i < 2; i++) {
    char *path = path_in(s->id, i ? "stderr" : "stdout"); if (owner >= 0) unlink(path);
    if (owner >= 0 && (mkfifo(path, 0600) || chown(path, (uid_t)owner, (gid_t)owner))) perror(path);
    (i ? &s->err : &s->out)->fd = open(path, O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
  }
  journal_open(&s->log, path_in(s->id, "log"));
}
static void logs_watch(struct sandbox *s) {
  watch(&s->out, s->out.fd, EPOLLIN, on_log, s), watch(&s->err, s->err.fd, EPOLLIN, on_log, s);
}
static void sandbox_ended(struct sandbox *s, struct exit_info how) {
  struct buf b = {0}; for (int i = 0; i < DRAIN_READS_MAX && (drain(&s->out) | drain(&s->err)); i++) {}
  journal_append(&s->log, LOG_ARC, "", 0), logs_close(s), drop(&s->pidfd);
  how.oom = cgroup_ooms(s->id) > 0 && !(how.known && !how.sig && how.code == 0);
  s->exit.n = 0, put_exit(&s->exit, &how), s->phase = EXITED;
  num(&b, "inc", s->inc), add(&b, s->exit.p, s->exit.n), write_atomic(path_in(s->id, "exit"), &b), free(b.p);
  broadcast_exit(s), clean_up(s);
}
/* The end of a process that is not our child. Until its parent has reaped it, /proc has its status; from then on its
 * pidfd has it, from Linux 6.15 on. */
static void on_adopted(struct src *src, unsigned events) {
  struct sandbox *s = src->of; struct proc p; (void)events;
  for (int tries = 0; tries < 2; tries++) {
    struct pidfd_exit info = {.mask = PIDFD_EXIT_BIT};
    if (proc_stat(s->pid, &p) && p.start == s->pid_start && p.state == 'Z')
      return sandbox_ended(s, exit_now(p.status, NULL));
    if (ioctl(src->fd, PIDFD_EXIT_IOCTL, &info) == 0 && info.mask & PIDFD_EXIT_BIT)
      return sandbox_ended(s, exit_now(info.code, NULL));
  }
  sandbox_ended(s, exit_now(0, "the exit code was lost when the node helper was restarted"));
}
static void sandbox_started(struct sandbox *s, const struct msg *r, i64 since) {
  int status; s->pid = (pid_t)get_num(r, "pid", 0), s->pid_start = (uint64_t)get_num(r, "pidStart", 0);
  s->pidfd.fd = pidfd_open(s->pid), s->child = s->recorded = true, s->phase = RUNNING;
  sandbox_record(s, "running"), logs_watch(s);
  if (orphan_take(s->pid, since, &status)) sandbox_ended(s, exit_now(status, NULL));
}
static bool sandbox_reaped(pid_t pid, int status) {
  for (struct sandbox *s = boxes; s; s = s->next)
    if (s->phase == RUNNING && s->child && s->pid == pid) return sandbox_ended(s, exit_now(status, NULL)), true;
  return false;
}
/* Commands of an earlier helper have lost their terminals and pipes: they end. Their parent is outside the sandbox. */
static void end_lost_execs(struct sandbox *s) {
  pid_t pids[PIDS_MAX]; struct proc p;
  int n = nhiers && !s->follow_runtime ? cgroup_pids(hiers[0].fd, s->id, pids, PIDS_MAX) : 0;
  for (int i = 0; i < n; i++) {
    bool within = pids[i] == s->pid || !proc_stat(pids[i], &p);
    for (int k = 0; k < n && !within; k++) within = pids[k] == p.parent;
    if (!within) kill_family(pids[i], FAMILY_DEPTH_MAX);
  }
}
static void adopt(struct sandbox *s) {
  static const char note[] = "the node helper was restarted here; output may be missing\n";
  struct proc p; s->phase = RUNNING, s->pidfd.fd = pidfd_open(s->pid);
  logs_open(s, -1), journal_append(&s->log, LOG_ARC, note, sizeof note - 1);
  if (s->pidfd.fd < 0 || !proc_stat(s->pid, &p) || p.start != s->pid_start)
    return sandbox_ended(s, exit_now(0, "it ended while the node helper was not running; its exit code is not known"));
  watch(&s->pidfd, s->pidfd.fd, EPOLLIN, on_adopted, s), logs_watch(s), end_lost_execs(s);
}
static void recover_one(const char *id) {
  char content[8192]; ssize_t n = read_file(AT_FDCWD, path_in(id, "record"), content, sizeof content);
  struct msg m = {.p = content, .n = n > 0 ? (size_t)n : 0};
  if (n >= 0 && (!is(&m, "id", id) || get_num(&m, "v", 0) != RECORD_VERSION || !has(&m, "phase")))
    fprintf(stderr, "arc-node: the record of %s can not be read\n", id);
  else if (n >= 0) {
    struct sandbox *s = sandbox_new(id);
    bool began = is(&m, "phase", "running"), now = is(&m, "boot", boot_id); /* after a reboot nothing of it runs */
    s->recorded = true, sandbox_fields(s, &m);
    m.n = (n = read_file(AT_FDCWD, path_in(id, "exit"), content, sizeof content)) > 0 ? (size_t)n : 0;
    if (began && get_num(&m, "inc", -1) == s->inc) s->phase = EXITED, add(&s->exit, m.p, m.n);
    else if (began && now) adopt(s);
  }
}
static void recover(void) {
  char *all = str("%s/sandboxes", data_dir); if (mkdir(all, 0711) && errno != EEXIST) perror(all);
  DIR *d = opendir(all);
  for (struct dirent *e; d && (e = readdir(d));)
    if (e->d_name[0] != '.' && strlen(e->d_name) <= ID_BYTES_MAX) recover_one(e->d_name);
  d ? closedir(d) : 0;
}
