/* How much of everything it gets. It takes until it is refused, and gives all of it back. */
#include "base.h"

#define MIB (1024L * 1024)
/* More than any limit that is set for it: who gets here is not limited. */
#define FILES_MAX 100000
#define PIDS_MAX 2000
#define BYTES_MAX (512 * MIB)
#define INODES_MAX 200000

static void most(const char *what, long count, const char *stopped) {
  char text[32];
  snprintf(text, sizeof text, "%ld", count);
  fputs("most", stdout);
  field(what);
  field(text);
  field(stopped);
  putchar('\n');
  fflush(stdout);
}

static const char *why(void) {
  static char text[16];
  snprintf(text, sizeof text, "%d", errno);
  return text;
}

static void open_files(void) {
  static int fds[FILES_MAX];
  long count = 0;
  while (count < FILES_MAX && (fds[count] = open("/", O_PATH | O_CLOEXEC)) >= 0) count++;
  const char *stopped = count < FILES_MAX ? why() : "none";
  while (count > 0 && fds[count - 1] >= 0) close(fds[--count]);
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  most("files", (long)limit.rlim_max, stopped);
}

static void file_bytes(const char *what, const char *path) {
  static char block[65536];
  memset(block, 'a', sizeof block);
  long bytes = 0;
  ssize_t size = 0;
  int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  while (fd >= 0 && bytes < BYTES_MAX && (size = write(fd, block, sizeof block)) > 0) bytes += size;
  if (fd >= 0 && size > 0) fsync(fd);
  most(what, bytes, bytes < BYTES_MAX ? why() : "none");
  if (fd >= 0) close(fd);
  unlink(path);
}

static void inodes(void) {
  char path[64];
  long count = 0;
  mkdir("/adversary-files", 0700);
  for (; count < INODES_MAX; count++) {
    snprintf(path, sizeof path, "/adversary-files/%ld", count);
    if (mknod(path, S_IFREG | 0600, 0) < 0) break;
  }
  most("inodes", count, count < INODES_MAX ? why() : "none");
  while (count-- > 0) {
    snprintf(path, sizeof path, "/adversary-files/%ld", count);
    unlink(path);
  }
  rmdir("/adversary-files");
}

static void forks(void) {
  static pid_t pids[PIDS_MAX];
  long count = 0;
  for (; count < PIDS_MAX; count++) {
    pids[count] = fork();
    if (pids[count] == 0) for (;;) pause();
    if (pids[count] < 0) break;
  }
  most("pids", count, count < PIDS_MAX ? why() : "none");
  for (long i = 0; i < count; i++) kill(pids[i], SIGKILL);
  for (long i = 0; i < count; i++) waitpid(pids[i], 0, 0);
}

/* Of all that run here it is the one to be ended when there is no more memory. */
static void first_to_go(void) {
  FILE *score = fopen("/proc/self/oom_score_adj", "we");
  if (score) fputs("1000", score), fclose(score);
}

static void shared_memory(void) {
  static const char PATH[] = "/dev/shm/adversary-bytes";
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    first_to_go();
    file_bytes("shm", PATH);
    _exit(0);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  unlink(PATH);
  if (WIFSIGNALED(status)) most("shm", 0, "killed");
}

static void memory(void) {
  int ends[2];
  if (pipe(ends) < 0) return;
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    first_to_go();
    for (long bytes = 0; bytes < BYTES_MAX; bytes += MIB) {
      char *piece = mmap(0, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (piece == MAP_FAILED) _exit(1);
      memset(piece, 'm', MIB);
      if (write(ends[1], "m", 1) != 1) _exit(2);
    }
    _exit(3);
  }
  close(ends[1]);
  long count = 0;
  char piece[64];
  for (ssize_t size; (size = read(ends[0], piece, sizeof piece)) > 0;) count += size;
  close(ends[0]);
  int status = 0;
  waitpid(pid, &status, 0);
  most("memory", count * MIB, WIFSIGNALED(status) ? "killed" : WEXITSTATUS(status) == 3 ? "none" : "refused");
}

/* @param what how far to go: of what a level counts outside, such as memory of a kernel of its own, nothing is tried */
static void press(int own_kernel) {
  open_files();
  file_bytes("disk", "/adversary-bytes");
  inodes();
  if (own_kernel) return;
  shared_memory();
  forks();
  memory();
}
