/* What it sees: mounts, devices, kernel files, processes, and what others may have left. */
#include "base.h"
#include <sys/sysmacros.h>

/* Bounds of a walk; what is found wrong stands in the first of them. */
#define WALK_ENTRIES 30000
#define TOLD_MAX 20

static int walked, told;

static void walk(const char *folder, int depth, void (*visit)(const char *path, const struct stat *stat)) {
  DIR *dir = depth > 0 ? opendir(folder) : 0;
  if (!dir) return;
  for (struct dirent *entry; (entry = readdir(dir)) && walked < WALK_ENTRIES;) {
    if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
    char path[PATH_MAX];
    struct stat stat;
    if (snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= (int)sizeof path) continue;
    walked++;
    if (lstat(path, &stat) < 0) continue;
    visit(path, &stat);
    if (S_ISDIR(stat.st_mode)) walk(path, depth - 1, visit);
  }
  closedir(dir);
}

/* Opened and not written to: that it opens is enough. */
static void kernel_file(const char *path, const struct stat *stat) {
  if (!S_ISREG(stat->st_mode) || told >= TOLD_MAX) return;
  int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return;
  close(fd);
  told++;
  fact("writable", path);
}

static void device(const char *path, const struct stat *stat) {
  if (!S_ISCHR(stat->st_mode) && !S_ISBLK(stat->st_mode)) return;
  char text[64];
  snprintf(text, sizeof text, "%s %u:%u", S_ISBLK(stat->st_mode) ? "block" : "char", major(stat->st_rdev),
           minor(stat->st_rdev));
  fact2("device", path, text);
}

static void left_over(const char *path, const struct stat *stat) {
  (void)stat;
  if (told++ < TOLD_MAX) fact("left", path);
}

static void can_read(const char *path) {
  char byte[64], text[24];
  int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  ssize_t size = fd < 0 ? -1 : read(fd, byte, sizeof byte);
  if (size < 0) snprintf(text, sizeof text, "no");
  else snprintf(text, sizeof text, "%zd", size);
  if (fd >= 0) close(fd);
  fact2("read", path, text);
}

static void entries_of(const char *path) {
  DIR *dir = opendir(path);
  int count = 0;
  char text[24];
  for (struct dirent *entry; dir && (entry = readdir(dir));) count += entry->d_name[0] != '.';
  if (dir) closedir(dir);
  snprintf(text, sizeof text, "%d", count);
  fact2("read", path, text);
}

static int opened(const char *path, int flags) {
  int fd = open(path, flags | O_NONBLOCK | O_CLOEXEC);
  if (fd >= 0) close(fd);
  return fd;
}

static void kernel_files(void) {
  static const char *const FILES[] = {
    "/proc/kcore", "/proc/keys", "/proc/kmsg", "/proc/timer_list", "/proc/interrupts", "/proc/sched_debug",
    "/proc/latency_stats", "/dev/mem", "/dev/kmsg", "/dev/port",
  };
  static const char *const FOLDERS[] = {
    "/proc/acpi", "/proc/scsi", "/proc/asound", "/sys/firmware", "/sys/devices/virtual/powercap", "/sys/kernel/debug",
    "/sys/kernel/tracing", "/sys/kernel/security", "/sys/fs/bpf", "/sys/fs/cgroup", "/sys/fs/fuse/connections",
  };
  for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) can_read(FILES[i]);
  for (size_t i = 0; i < sizeof FOLDERS / sizeof *FOLDERS; i++) entries_of(FOLDERS[i]);
  TRY("write-core-pattern", opened("/proc/sys/kernel/core_pattern", O_WRONLY));
  TRY("write-modprobe", opened("/proc/sys/kernel/modprobe", O_WRONLY));
  TRY("write-sysrq", opened("/proc/sysrq-trigger", O_WRONLY));
  TRY("write-uevent-helper", opened("/sys/kernel/uevent_helper", O_WRONLY));
  TRY("write-memory-of-1", getpid() == 1 ? (errno = EPERM, -1) : opened("/proc/1/mem", O_RDWR));
  walked = told = 0;
  walk("/proc/sys", 6, kernel_file);
  walk("/sys", 7, kernel_file);
  FILE *symbols = fopen("/proc/kallsyms", "re");
  char line[512];
  for (int i = 0; symbols && i < 64 && fgets(line, sizeof line, symbols); i++) {
    if (strtoull(line, 0, 16) == 0) continue;
    fact("kernel-address", line);
    break;
  }
  if (symbols) fclose(symbols);
}

static void devices(void) {
  walked = 0;
  walk("/dev", 3, device);
  mknod("/adversary-disk-node", S_IFBLK | 0600, makedev(8, 0));
  TRY("made-disk", opened("/adversary-disk-node", O_RDONLY));
  unlink("/adversary-disk-node");
  mknod("/adversary-memory-node", S_IFCHR | 0600, makedev(1, 1));
  TRY("made-memory", opened("/adversary-memory-node", O_RDONLY));
  unlink("/adversary-memory-node");
}

static void processes(void) {
  DIR *dir = opendir("/proc");
  for (struct dirent *entry; dir && (entry = readdir(dir));) {
    if (entry->d_name[0] < '0' || entry->d_name[0] > '9') continue;
    char path[300], name[64] = "?";
    snprintf(path, sizeof path, "/proc/%s/comm", entry->d_name);
    FILE *file = fopen(path, "re");
    if (file && fgets(name, sizeof name, file)) name[strcspn(name, "\n")] = 0;
    if (file) fclose(file);
    fact2("process", entry->d_name, name);
  }
  if (dir) closedir(dir);
}

static void leavings(void) {
  static const char *const FOLDERS[] = {"/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run", "/root"};
  walked = told = 0;
  for (size_t i = 0; i < sizeof FOLDERS / sizeof *FOLDERS; i++) walk(FOLDERS[i], 2, left_over);
  lines_of("ipc", "/proc/sysvipc/shm");
  lines_of("ipc", "/proc/sysvipc/sem");
  lines_of("ipc", "/proc/sysvipc/msg");
  lines_of("unix-socket", "/proc/net/unix");
}

/* A file of the machine, by every way that is known to have led out. */
static void canary(const char *path) {
  static const char *const WAYS[] = {
    "", "/proc/1/root", "/proc/self/root", "/proc/1/cwd/../../../..", "/proc/self/cwd/../../../..", "/../../../..",
    "/proc/self/fd/0/../../../..", "/proc/self/fd/1/../../../..", "/proc/self/exe/../../..", "/dev/shm/../../..",
    "/proc/self/task/1/root", "/sys/../../..", "/proc/self/fd/3", "/proc/self/fd/7/../../../..",
  };
  for (size_t i = 0; i < sizeof WAYS / sizeof *WAYS; i++) {
    char way[PATH_MAX];
    snprintf(way, sizeof way, "%s%s", WAYS[i], path);
    if (opened(way, O_RDONLY) >= 0) fact("canary", way);
  }
  fact("canary-sought", path);
}

static void look_around(void) {
  lines_of("mount", "/proc/self/mountinfo");
  leavings();
  kernel_files();
  devices();
  processes();
}
