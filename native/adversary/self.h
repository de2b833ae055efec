/* What it is: user, capabilities, limits, and what came along from whoever started it. */
#include "base.h"

extern char **environ;

static void names_of(const char *key, const char *variable) {
  char name[256];
  snprintf(name, sizeof name, "%.*s", (int)strcspn(variable, "="), variable);
  fact(key, name);
}

static void environment(void) {
  for (char **variable = environ; *variable; variable++) names_of("env", *variable);
  static char text[65536];
  int fd = open("/proc/1/environ", O_RDONLY | O_CLOEXEC);
  ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  if (fd >= 0) close(fd);
  for (ssize_t at = 0; at < size; at += strlen(text + at) + 1) names_of("env-of-1", text + at);
}

/* Called before anything is opened. */
static void descriptors(void) {
  char number[16];
  for (int fd = 0; fd < 1024; fd++) {
    struct stat stat;
    if (fstat(fd, &stat) < 0) continue;
    snprintf(number, sizeof number, "%d", fd);
    fact2("fd", number, S_ISDIR(stat.st_mode) ? "folder" : S_ISBLK(stat.st_mode) ? "block" : "other");
  }
}

static void users(void) {
  char text[96];
  gid_t groups[64];
  snprintf(text, sizeof text, "%d %d", (int)getuid(), (int)getgid());
  fact("user", text);
  int count = getgroups(64, groups);
  for (int i = 0; i < count; i++) {
    snprintf(text, sizeof text, "%d", (int)groups[i]);
    fact("group", text);
  }
  lines_of("uid-map", "/proc/self/uid_map");
  lines_of("gid-map", "/proc/self/gid_map");
}

static void resources(void) {
  char name[16], text[64];
  for (int kind = 0; kind < 16; kind++) {
    struct rlimit limit;
    if (getrlimit(kind, &limit) < 0) continue;
    snprintf(name, sizeof name, "%d", kind);
    snprintf(text, sizeof text, "%lld", limit.rlim_max == RLIM_INFINITY ? -1LL : (long long)limit.rlim_max);
    fact2("limit", name, text);
  }
}

static int crashes(long unused) {
  (void)unused;
  signal(SIGSEGV, SIG_DFL);
  raise(SIGSEGV);
  return 0;
}

static void dump(void) {
  fact("dumped", WCOREDUMP(in_child(crashes, 0)) ? "yes" : "no");
  lines_of("core-pattern", "/proc/sys/kernel/core_pattern");
}

static void namespaces(void) {
  static const char *const KINDS[] = {"user", "mnt", "pid", "net", "ipc", "uts", "cgroup"};
  char path[64], target[128];
  for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++) {
    snprintf(path, sizeof path, "/proc/self/ns/%s", KINDS[i]);
    ssize_t size = readlink(path, target, sizeof target - 1);
    target[size < 0 ? 0 : size] = 0;
    fact2("namespace", KINDS[i], target);
  }
  lines_of("cgroup", "/proc/self/cgroup");
  char name[256] = "";
  gethostname(name, sizeof name - 1);
  fact("hostname", name);
  lines_of("version", "/proc/version");
}

static void look_at_self(void) {
  descriptors();
  environment();
  users();
  lines_of("status", "/proc/self/status");
  resources();
  namespaces();
  dump();
}
