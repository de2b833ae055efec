/*
 * The log journal of one sandbox: segments named by their first sequence number, each a row of records. The newest are
 * kept within a byte limit; what is dropped is counted, and a full disk costs output, never the helper's time.
 */
#include "arc.h"
#include <sys/uio.h>

#define SEGMENT_BYTES_MAX (4u << 20)
#define SEGMENT_BYTES_MIN 65536u
#define SEGMENTS_PER_LOG 8
#define DROPPED_BYTES_MAX 65536 /* of the list of dropped segments */
#define RECORD_MAGIC 0x4a435241u

struct record { /* little-endian, as PROTOCOL.md describes it */
  uint32_t magic, length;
  uint64_t seq, time_ns, offset, dropped;
  uint32_t stream, check;
};
_Static_assert(sizeof(struct record) == 48, "the journal's record header is 48 bytes");

static uint32_t checksum(const struct record *r) {
  uint32_t h = 2166136261u;
  const unsigned char *p = (const unsigned char *)r;
  for (size_t i = 0; i < offsetof(struct record, check); i++) h = (h ^ p[i]) * 16777619u;
  return h;
}

static bool sound(const struct record *r) {
  return r->magic == RECORD_MAGIC && r->length <= CHUNK_BYTES && r->check == checksum(r);
}

/* First sequence number of the oldest and newest segments; the bytes of all. */
static int survey(struct journal *j, uint64_t *oldest, uint64_t *newest) {
  DIR *d = opendir(j->dir);
  int count = 0;
  j->kept = 0;
  if (!d) return 0;
  for (struct dirent *e; (e = readdir(d));) {
    char *end;
    uint64_t first = strtoull(e->d_name, &end, 10);
    struct stat st;
    if (strcmp(end, ".seg") || fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW)) continue;
    if (!count || first < *oldest) *oldest = first;
    if (!count || first > *newest) *newest = first;
    count++, j->kept += (uint64_t)st.st_size;
  }
  closedir(d);
  return count;
}

static int segment_open(struct journal *j, uint64_t first, int flags) {
  char *path;
  if (asprintf(&path, "%s/%020llu.seg", j->dir, (unsigned long long)first) < 0) abort();
  int fd = open(path, O_RDWR | O_CLOEXEC | O_APPEND | flags, 0600);
  free(path);
  return fd;
}

/* Continues where an earlier life ended; a record that was torn off is cut away. */
void journal_open(struct journal *j, const char *dir, uint64_t limit) {
  uint64_t oldest = 0, newest = 0;
  journal_close(j);
  *j = (struct journal){.fd = -1, .dir = path_of(dir, "log"), .limit = limit, .seq = 1};
  if (!survey(j, &oldest, &newest)) return;
  j->seq = newest;
  if ((j->fd = segment_open(j, newest, 0)) < 0) return;
  struct record r;
  off_t at = 0, size = lseek(j->fd, 0, SEEK_END);
  while (pread(j->fd, &r, sizeof r, at) == sizeof r && sound(&r) && at + (off_t)sizeof r + r.length <= size) {
    at += (off_t)(sizeof r + r.length);
    j->seq = r.seq + 1;
    j->offset = r.offset + r.dropped + r.length;
  }
  if (at < size && ftruncate(j->fd, at) == 0) j->kept -= (uint64_t)(size - at);
  j->segment = (uint64_t)at;
}

void journal_close(struct journal *j) {
  if (j->dir && j->fd >= 0) close(j->fd);
  free(j->dir);
  *j = (struct journal){.fd = -1};
}

/* Makes room: the oldest segment goes, and a line in `dropped` says where it began. */
static void drop_oldest(struct journal *j) {
  uint64_t oldest = 0, newest = 0;
  struct record r;
  while (survey(j, &oldest, &newest) > 1 && j->kept > j->limit) {
    char *path, *list = path_of(j->dir, "dropped");
    int fd = segment_open(j, oldest, 0), out = open(list, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd >= 0 && out >= 0 && pread(fd, &r, sizeof r, 0) == sizeof r) {
      uint64_t line[2] = {oldest, r.offset};
      if (lseek(out, 0, SEEK_END) >= DROPPED_BYTES_MAX && ftruncate(out, 0)) {}
      if (write(out, line, sizeof line) != sizeof line) {} /* the reader then says "at least" */
    }
    if (fd >= 0) close(fd);
    if (out >= 0) close(out);
    if (asprintf(&path, "%s/%020llu.seg", j->dir, (unsigned long long)oldest) < 0) abort();
    int gone = unlink(path);
    free(path), free(list);
    if (gone) return;
  }
}

static bool append(struct journal *j, int stream, const char *p, size_t n, uint64_t dropped) {
  uint64_t size = j->limit / SEGMENTS_PER_LOG;
  size = size > SEGMENT_BYTES_MAX ? SEGMENT_BYTES_MAX : size < SEGMENT_BYTES_MIN ? SEGMENT_BYTES_MIN : size;
  if (j->fd < 0 || j->segment >= size) {
    if (j->fd >= 0) close(j->fd);
    if (mkdir(j->dir, 0700) && errno != EEXIST) return false;
    if ((j->fd = segment_open(j, j->seq, O_CREAT)) < 0) return false;
    j->segment = 0;
  }
  struct record r = {.magic = RECORD_MAGIC, .length = (uint32_t)n, .seq = j->seq, .time_ns = (uint64_t)wall_ns(),
                     .offset = j->offset, .dropped = dropped, .stream = (uint32_t)stream};
  r.check = checksum(&r);
  struct iovec v[2] = {{&r, sizeof r}, {(void *)p, n}};
  ssize_t w = writev(j->fd, v, 2);
  if (w != (ssize_t)(sizeof r + n)) {
    if (w > 0 && ftruncate(j->fd, (off_t)j->segment)) j->segment = UINT64_MAX; /* leave the torn record, go on in a new file */
    return false;
  }
  j->seq++;
  j->offset += dropped + n;
  j->segment += (uint64_t)w, j->kept += (uint64_t)w;
  if (j->kept > j->limit) drop_oldest(j);
  return true;
}

void journal_append(struct journal *j, int stream, const char *p, size_t n) {
  if (!j->dir) return;
  if (j->lost) {
    char text[80];
    int k = snprintf(text, sizeof text, "%llu bytes of output were dropped: the disk is full\n",
                     (unsigned long long)j->lost);
    if (append(j, LOG_ARC, text, (size_t)k, j->lost)) j->lost = 0;
  }
  if (j->lost || !append(j, stream, p, n, 0)) j->lost += n;
}
