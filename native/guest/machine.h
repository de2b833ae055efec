/* What the helper's parts take for granted, said for a machine that holds one sandbox: its cgroup, its processes. */
#include <linux/openat2.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
enum { ARGS_MAX = 8192 };
struct journal { int unused; }; /* the journal is on the host */
#include "../node.h"
#define GROUP "/cg/box"
static void put_words(struct buf *result, char *words, ssize_t n) { /* what a failed command said, as one value */
  for (ssize_t i = 0; i < n; i++) words[i] = words[i] ? words[i] : '?';
  text(result, "output", n > 0 ? words : "");
}
static int cgroup_join(const char *id) { return (void)id, write_text(GROUP "/cgroup.procs", "0"); }
static i64 group_number(const char *file, const char *key) { /* of a file with one number, or with lines `key number` */
  char content[4096], *at = content; if (read_file(AT_FDCWD, str(GROUP "/%s", file), content,
      sizeof content) < 0) return 0;
  for (size_t n = strlen(key); n && at && (strncmp(at, key, n) || at[n] != ' ');) at = (at = strchr(at, '\n'))
      ? at + 1 : at;
  return at ? strtoll(at + (*key ? strlen(key) + 1 : 0), NULL, 10) : 0;
}
static uint64_t cgroup_ooms(const char *id) { return (void)id, (uint64_t)group_number("memory.events", "oom_kill"); }
static bool cgroup_holds(const char *id, pid_t pid) {
  char line[256]; (void)id;
  return read_file(AT_FDCWD, str("/proc/%d/cgroup", pid), line, sizeof line) > 0 && strstr(line, "/box") != NULL;
}
#include "../files.h"
static int sealed_fd = -1; /* there is no runtime program here to have a copy of */
static int enter(const struct msg *o);
static void seal(const struct msg *o) { (void)o; }
static void exec_runtime(const struct msg *o, int sealed) { (void)sealed, _exit(enter(o)); }
#include "../exec.h"
static struct sandbox *box; /* the one sandbox; NULL before its order has come */
static void reap(void);
/* Makes folders and a file with this content, where the sandbox's own names go. */
static int put_file(const char *path, const char *content) {
  for (char *p = str("%s", path), *s = p; (s = strchr(s + 1, '/'));) { *s = 0, mkdir(p, 0755), *s = '/'; }
  unlink(path); int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
  int r = fd < 0 ? -1 : write_all(fd, content, strlen(content)); if (fd >= 0) fchmod(fd, 0644);
  return shut(fd), r;
}
