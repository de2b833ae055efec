/* Cgroups of both kinds: v1 hierarchies, each where it is mounted, v2, and hybrid, where v2 holds no controller but can
 * still kill a whole group at once. Sandboxes are at `GROUP/ID` in every one; nothing that isn't ours is moved. */
enum { MEMORY = 1, CPU = 2, CPUACCT = 4, PIDS = 8, FREEZER = 16, UNIFIED = 32 };
#define ALL_OF_V2 (UNIFIED | MEMORY | CPU | CPUACCT | PIDS)
static struct hierarchy { int fd; unsigned has; } hiers[8];
static int nhiers, cgroup_version, create; /* `create`: a test's tree of plain files */
static const char *group;
static const struct { const char *name; unsigned bit; } CONTROLLERS[] = {
  {"memory", MEMORY}, {"cpu", CPU}, {"cpuacct", CPUACCT}, {"pids", PIDS}, {"freezer", FREEZER}};
static struct hierarchy *holding(unsigned bit) {
  for (int i = 0; i < nhiers; i++) if (hiers[i].has & bit) return &hiers[i];
  return NULL;
}
/* What the client found: `version`; `files` for a test's tree of plain files; `hide` for the v2 half of hybrid cgroups,
 * which crun refuses to see: taken away here and nowhere else. Every other key names the controllers at its value. */
static void cgroup_take(char **args) {
  for (char *value, *save; *args && (value = strchr(*args, '=')); args++) {
    unsigned has = 0; *value++ = 0;
    if (!strcmp(*args, "version")) cgroup_version = atoi(value);
    else if (!strcmp(*args, "hide")) umount2(value, MNT_DETACH);
    else if (!strcmp(*args, "files")) create = O_CREAT | O_TRUNC;
    else for (char *name = strtok_r(*args, ",", &save); name; name = strtok_r(NULL, ",", &save)) {
      for (int i = 0; i < 5; i++) has |= strcmp(name, CONTROLLERS[i].name) ? 0 : CONTROLLERS[i].bit;
      if (!strcmp(name, "unified")) has |= cgroup_version == 2 ? ALL_OF_V2 : UNIFIED;
    }
    int fd = has && nhiers < 8 ? open(value, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) hiers[nhiers].fd = fd, hiers[nhiers++].has = has;
  }
}
static int set(const char *id, unsigned bit, const char *file, const char *value) {
  struct hierarchy *h = holding(bit); if (!h) return errno = ENOENT, -1;
  return write_file(h->fd, str("%s/%s/%s", group, id, file), value, strlen(value), create);
}
/* Of an order: `FILE=VALUE`, each for the hierarchy of its controller; after `?` where the kernel has such a file. */
static int limits(const char *id, const struct msg *o) {
  unsigned done = 0;
  for (const char *v = NULL; (v = next_value(o, "limit", v));) {
    bool optional = *v == '?'; char *file = str("%s", v + optional), *value = strchr(file, '=');
    if (!value) return fail("invalid_request", "limit");
    *value++ = 0;
    for (int i = 0; i < 5; i++) {
      size_t n = strlen(CONTROLLERS[i].name); if (strncmp(file, CONTROLLERS[i].name, n) || file[n] != '.') continue;
      if (set(id, CONTROLLERS[i].bit, file, value) && !(optional && errno == ENOENT)) return fail_errno(file);
      if (!optional) done |= CONTROLLERS[i].bit;
    }
  }
  bool all = done & MEMORY && done & CPU && done & PIDS; /* never started without a limit */
  return all ? 0 : fail("invalid_request", "memory, cpu and pids must have limits");
}
static int cgroup_pids(int fd, const char *id, pid_t *out, int max) {
  int n = 0, procs = openat(fd, str("%s/%s/cgroup.procs", group, id), O_RDONLY | O_CLOEXEC);
  FILE *f = procs < 0 ? NULL : fdopen(procs, "r");
  for (int pid; f && n < max && fscanf(f, "%d", &pid) == 1;) if (pid > 1 && kill(pid, 0) == 0) out[n++] = pid;
  f ? fclose(f) : 0; return n;
}
/* Is it in there? A pid that the sandbox's side wrote down may be any. */
static bool cgroup_holds(const char *id, pid_t pid) {
  char *line = str("/%s/%s\n", group, id), all[8192];
  return create || (read_file(AT_FDCWD, str("/proc/%d/cgroup", pid), all, sizeof all) > 0 && strstr(all, line));
}
static void backoff(unsigned *us) { usleep(*us), *us = *us < 16000 ? *us * 2 : *us; }
/* SIGKILL for all of it, again and again until nothing is left. Frozen and stopped processes end too. */
static int cgroup_kill(const char *id, int ms) {
  pid_t pids[256]; i64 until = mono_ms() + ms;
  for (unsigned us = 500;; backoff(&us)) {
    int left = 0; set(id, FREEZER, "freezer.state", "THAWED"), create ? 0 : set(id, UNIFIED, "cgroup.kill", "1");
    for (int i = 0, n; i < nhiers; i++, left += n)
      for (int k = n = cgroup_pids(hiers[i].fd, id, pids, 256); k-- > 0;) kill(pids[k], SIGKILL);
    if (!left) return 0;
    if (mono_ms() > until) return fail("internal", str("%d processes of %s do not end", left, id));
  }
}
/* A group stays busy for a moment after its last process: tries until `ms` are over. */
static int cgroup_remove(const char *id, int ms) {
  i64 until = mono_ms() + ms;
  for (unsigned us = 200;; backoff(&us)) {
    int failed = 0;
    for (int i = 0; i < nhiers; i++)
      if (create ? remove_tree(hiers[i].fd, str("%s/%s", group, id), 4)
                 : unlinkat(hiers[i].fd, str("%s/%s", group, id), AT_REMOVEDIR) && errno != ENOENT) failed = errno;
    if (!failed) return 0;
    if (mono_ms() >= until) return errno = failed, fail_errno("removing the cgroup");
  }
}
static int cgroup_make(const char *id, const struct msg *o) {
  static const char on[] = "+memory +cpu +pids";
  if (!holding(MEMORY) || !holding(PIDS) || !holding(CPU))
    return fail("host_unfit", "the memory, cpu and pids cgroup controllers are not all mounted");
  if (cgroup_kill(id, 2000) || cgroup_remove(id, 2000)) return -1; /* what an earlier life left */
  for (int i = 0; i < nhiers; i++) {
    int fd = hiers[i].fd; bool v2 = cgroup_version == 2 && hiers[i].has & UNIFIED;
    if ((v2 && write_file(fd, "cgroup.subtree_control", on, sizeof on - 1, create)) ||
        (mkdirat(fd, group, 0755) && errno != EEXIST) ||
        (v2 && write_file(fd, str("%s/cgroup.subtree_control", group), on, sizeof on - 1, create)) ||
        mkdirat(fd, str("%s/%s", group, id), 0755)) return fail_errno("making the cgroup");
  }
  return limits(id, o);
}
/* The caller, and what it becomes, is in the sandbox's cgroups from here on. */
static int cgroup_join(const char *id) {
  char *pid = str("%d", getpid()); for (int i = 0; i < nhiers; i++)
    if (write_file(hiers[i].fd, str("%s/%s/cgroup.procs", group, id), pid, strlen(pid), create))
      return fail_errno("cgroup.procs");
  return 0;
}
static uint64_t cgroup_ooms(const char *id) { /* How often the kernel killed in this group for memory. */
  char all[1024], *at, *file = str("%s/%s/%s", group, id, cgroup_version == 2 ? "memory.events" : "memory.oom_control");
  struct hierarchy *h = holding(MEMORY);
  if (!h || read_file(h->fd, file, all, sizeof all) <= 0 || !(at = strstr(all, "oom_kill "))) return 0;
  return strtoull(at + 9, NULL, 10);
}
