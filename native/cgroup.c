/*
 * Cgroups of both kinds: v1 hierarchies, each where it is mounted, v2, and hybrid, where v2 holds no controller but can
 * still kill a whole group at once. Sandboxes are at `arc/ID` in every one; nothing that isn't ours is moved.
 */
#include "arc.h"

enum { MEMORY = 1, CPU = 2, CPUACCT = 4, PIDS = 8, FREEZER = 16, UNIFIED = 32 };
#define PERIOD_US 100000

static struct hierarchy { int fd; unsigned has; char path[PATH_MAX]; } hiers[8];
static int nhiers, version, create; /* `create`: a test's tree of plain files */
char cgroup_unified[PATH_MAX];

static const struct { const char *name; unsigned bit; } CONTROLLERS[] = {
  {"memory", MEMORY}, {"cpu", CPU}, {"cpuacct", CPUACCT}, {"pids", PIDS}, {"freezer", FREEZER}};

static void keep(const char *path, unsigned has) {
  int fd = nhiers < 8 ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
  if (fd < 0) return;
  hiers[nhiers].fd = fd, hiers[nhiers].has = has;
  snprintf(hiers[nhiers++].path, PATH_MAX, "%s", path);
}

/* `override` is `v2=PATH` or `v1=PATH`, the latter with one folder for each controller. */
void cgroup_find(const char *override) {
  char line[8192], point[PATH_MAX], type[64], options[4096];
  if (override && (!strncmp(override, "v1=", 3) || !strncmp(override, "v2=", 3))) {
    version = override[1] - '0', create = O_CREAT;
    if (version == 2) keep(override + 3, UNIFIED | MEMORY | CPU | CPUACCT | PIDS);
    for (unsigned i = 0; version == 1 && i < sizeof CONTROLLERS / sizeof *CONTROLLERS; i++) {
      snprintf(point, sizeof point, "%s/%s", override + 3, CONTROLLERS[i].name);
      keep(point, CONTROLLERS[i].bit);
    }
    return;
  }
  FILE *f = fopen("/proc/self/mountinfo", "re");
  while (f && fgets(line, sizeof line, f)) {
    char *tail = strstr(line, " - ");
    unsigned has = 0;
    if (!tail || sscanf(line, "%*d %*d %*s %*s %4095s", point) != 1) continue;
    if (sscanf(tail + 3, "%63s %*s %4095s", type, options) != 2) continue;
    if (!strcmp(type, "cgroup2") && !*cgroup_unified) snprintf(cgroup_unified, PATH_MAX, "%s", point);
    if (strcmp(type, "cgroup")) continue;
    for (char *save, *o = strtok_r(options, ",", &save); o; o = strtok_r(NULL, ",", &save))
      for (unsigned i = 0; i < sizeof CONTROLLERS / sizeof *CONTROLLERS; i++)
        if (!strcmp(o, CONTROLLERS[i].name)) has |= CONTROLLERS[i].bit;
    for (int i = 0; i < nhiers; i++) has &= ~hiers[i].has;
    if (has) keep(point, has);
  }
  if (f) fclose(f);
  unsigned all = 0;
  for (int i = 0; i < nhiers; i++) all |= hiers[i].has;
  version = all & (MEMORY | PIDS) ? 1 : 2;
  if (*cgroup_unified) keep(cgroup_unified, UNIFIED | (version == 2 ? MEMORY | CPU | CPUACCT | PIDS : 0));
}

static struct hierarchy *holding(unsigned bit) {
  for (int i = 0; i < nhiers; i++)
    if (hiers[i].has & bit) return &hiers[i];
  return NULL;
}

static int set(const char *id, unsigned bit, const char *file, const char *fmt, long long value) {
  struct hierarchy *h = holding(bit);
  char path[300], text[64];
  if (!h) return errno = ENOENT, -1;
  snprintf(path, sizeof path, "arc/%s/%s", id, file);
  snprintf(text, sizeof text, fmt, value);
  return write_file(h->fd, path, text, create | (create ? O_TRUNC : 0));
}

static int limits_v1(const char *id, int64_t memory, int64_t quota, int64_t pids) {
  if (set(id, MEMORY, "memory.limit_in_bytes", "%lld", memory)) return fail_errno("memory.limit_in_bytes");
  if (set(id, MEMORY, "memory.memsw.limit_in_bytes", "%lld", memory) && errno != ENOENT)
    return fail_errno("memory.memsw.limit_in_bytes");
  if (set(id, CPU, "cpu.cfs_period_us", "%lld", PERIOD_US)) return fail_errno("cpu.cfs_period_us");
  if (set(id, CPU, "cpu.cfs_quota_us", "%lld", quota)) return fail_errno("cpu.cfs_quota_us");
  if (set(id, PIDS, "pids.max", "%lld", pids)) return fail_errno("pids.max");
  return 0;
}

static int limits_v2(const char *id, int64_t memory, int64_t quota, int64_t pids) {
  if (set(id, UNIFIED, "memory.max", "%lld", memory)) return fail_errno("memory.max");
  if (set(id, UNIFIED, "memory.swap.max", "0%.0lld", 0) && errno != ENOENT) return fail_errno("memory.swap.max");
  if (set(id, UNIFIED, "cpu.max", "%lld 100000", quota)) return fail_errno("cpu.max");
  if (set(id, UNIFIED, "pids.max", "%lld", pids)) return fail_errno("pids.max");
  return 0;
}

int cgroup_make(const char *id, int64_t memory, int64_t quota, int64_t pids) {
  char path[300];
  if (!holding(MEMORY) || !holding(PIDS) || !holding(CPU))
    return fail("host_unfit", "the memory, cpu and pids cgroup controllers are not all mounted");
  snprintf(path, sizeof path, "arc/%s", id);
  if (cgroup_kill(id, 2000) || cgroup_remove(id, 2000)) return -1; /* what an earlier life left */
  for (int i = 0; i < nhiers; i++) {
    static const char *const enable = "+memory +cpu +pids";
    bool v2 = version == 2 && hiers[i].has & UNIFIED;
    if (v2 && write_file(hiers[i].fd, "cgroup.subtree_control", enable, create)) return fail_errno("subtree_control");
    if (mkdirat(hiers[i].fd, "arc", 0755) && errno != EEXIST) return fail_errno("cgroup arc");
    if (v2 && write_file(hiers[i].fd, "arc/cgroup.subtree_control", enable, create))
      return fail_errno("arc/cgroup.subtree_control");
    if (mkdirat(hiers[i].fd, path, 0755)) return fail_errno("cgroup of the sandbox");
  }
  return version == 2 ? limits_v2(id, memory, quota, pids) : limits_v1(id, memory, quota, pids);
}

/* The caller, and what it becomes, is in the sandbox's cgroups from here on. */
int cgroup_join(const char *id) {
  char path[300], pid[16];
  snprintf(path, sizeof path, "arc/%s/cgroup.procs", id);
  snprintf(pid, sizeof pid, "%d", getpid());
  for (int i = 0; i < nhiers; i++)
    if (write_file(hiers[i].fd, path, pid, create)) return fail_errno("cgroup.procs");
  return 0;
}

static int pids_in(int fd, const char *id, pid_t *out, int max) {
  char path[300];
  int n = 0;
  snprintf(path, sizeof path, "arc/%s/cgroup.procs", id);
  int procs = openat(fd, path, O_RDONLY | O_CLOEXEC);
  FILE *f = procs < 0 ? NULL : fdopen(procs, "r");
  for (int pid; f && n < max && fscanf(f, "%d", &pid) == 1;)
    if (pid > 1 && kill(pid, 0) == 0) out[n++] = pid;
  if (f) fclose(f);
  return n;
}

int cgroup_pids(const char *id, pid_t *out, int max) { return nhiers ? pids_in(hiers[nhiers - 1].fd, id, out, max) : 0; }

/* SIGKILL for all of it, again and again until nothing is left. Frozen and stopped processes end too. */
int cgroup_kill(const char *id, int ms) {
  pid_t pids[256];
  int64_t until = mono_ms() + ms;
  unsigned pause_us = 500;
  for (;;) {
    int left = 0;
    set(id, FREEZER, "freezer.state", "THAWED%.0lld", 0);
    if (holding(UNIFIED) && !create) set(id, UNIFIED, "cgroup.kill", "%lld", 1);
    for (int i = 0; i < nhiers; i++) {
      int n = pids_in(hiers[i].fd, id, pids, 256);
      for (int k = 0; k < n; k++) kill(pids[k], SIGKILL);
      left += n;
    }
    if (!left) return 0;
    if (mono_ms() > until) return fail("internal", "%d processes of %s do not end", left, id);
    usleep(pause_us);
    if (pause_us < 16000) pause_us *= 2;
  }
}

static int remove_group(int dir, const char *name) {
  if (create) return remove_tree(dir, name, 4);
  if (unlinkat(dir, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return 0;
  int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *d = fd < 0 ? NULL : fdopendir(fd);
  for (struct dirent *e; d && (e = readdir(d));)
    if (e->d_type == DT_DIR && e->d_name[0] != '.') remove_group(fd, e->d_name);
  if (d) closedir(d);
  return unlinkat(dir, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -1;
}

/* A group stays busy for a moment after its last process: tries until `ms` are over. */
int cgroup_remove(const char *id, int ms) {
  char path[300];
  int64_t until = mono_ms() + ms;
  unsigned pause_us = 200;
  snprintf(path, sizeof path, "arc/%s", id);
  for (;;) {
    int failed = 0;
    for (int i = 0; i < nhiers; i++)
      if (remove_group(hiers[i].fd, path)) failed = errno;
    if (!failed) return 0;
    if (mono_ms() >= until) return errno = failed, fail_errno("removing the cgroup");
    usleep(pause_us);
    if (pause_us < 16000) pause_us *= 2;
  }
}

/* How often the kernel killed in this group for memory. */
uint64_t cgroup_ooms(const char *id) {
  char path[300], text[1024], *at;
  struct hierarchy *h = holding(MEMORY);
  snprintf(path, sizeof path, "arc/%s/%s", id, version == 2 ? "memory.events" : "memory.oom_control");
  if (!h || read_file(h->fd, path, text, sizeof text) <= 0 || !(at = strstr(text, "oom_kill "))) return 0;
  return strtoull(at + 9, NULL, 10);
}

void cgroup_put(struct buf *b) {
  static const struct { const char *key; unsigned bit; } shown[] = {
    {"memory", MEMORY}, {"cpuacct", CPUACCT}, {"pids", PIDS}};
  put(b, "cgroup", "%d", version);
  for (int i = 0; i < 3; i++) {
    struct hierarchy *h = holding(shown[i].bit);
    if (h) put(b, shown[i].key, "%s/arc", h->path);
  }
}
