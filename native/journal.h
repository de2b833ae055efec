/* The log journal of one sandbox: segments named by their first sequence number, each a row of records. The newest are
 * kept within a byte limit; what is dropped is counted, and a full disk costs output, never the helper's time, nor does
 * a program that writes faster than it may. */
#include <sys/uio.h>
enum { SEGMENT_BYTES_MAX = 4 << 20, SEGMENT_BYTES_MIN = 65536, SEGMENTS_PER_LOG = 8, RECORD_MAGIC = 0x4a435241,
       DROPPED_BYTES_MAX = 65536 /* of the list of dropped segments */ };
enum { LOG_STDOUT = 1, LOG_STDERR, LOG_ARC, LOG_BURST_SECONDS = 8 /* of its rate at once */, NS = 1000000000 };
struct journal { int fd; char *dir; uint64_t seq, offset, lost, limit, kept, segment; i64 rate, paid; int fast, held; };
struct record { uint32_t magic, length; uint64_t seq, time_ns, offset, dropped; uint32_t stream, check; };
_Static_assert(sizeof(struct record) == 48, "the journal's record header is 48 bytes, as PROTOCOL.md says");
static uint32_t checksum(const struct record *r) {
  uint32_t h = 2166136261u;
  for (size_t i = 0; i < offsetof(struct record, check); i++) h = (h ^ ((const unsigned char *)r)[i]) * 16777619u;
  return h;
}
/* How many segments there are, the first sequence numbers of the oldest and newest, and the bytes of all. */
static int survey(struct journal *j, uint64_t *oldest, uint64_t *newest) {
  DIR *d = opendir(j->dir); int count = 0; j->kept = 0;
  for (struct dirent *e; d && (e = readdir(d));) {
    char *end; struct stat st; uint64_t first = strtoull(e->d_name, &end, 10);
    if (strcmp(end, ".seg") || fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW)) continue;
    if (!count || first < *oldest) *oldest = first;
    if (!count || first > *newest) *newest = first;
    count++, j->kept += (uint64_t)st.st_size;
  }
  d ? closedir(d) : 0; return count;
}
static char *segment_path(struct journal *j, i64 first) { return str("%s/%020lld.seg", j->dir, first); }
static void journal_close(struct journal *j) {
  if (j->dir && j->fd >= 0) close(j->fd);
  free(j->dir); *j = (struct journal){.fd = -1, .limit = j->limit, .rate = j->rate};
}
/* Continues where an earlier life ended; a record that was torn off is cut away. */
static void journal_open(struct journal *j, const char *dir) {
  uint64_t oldest = 0, newest = 0; struct record r; journal_close(j); if (!(j->dir = strdup(dir))) abort();
  j->seq = survey(j, &oldest, &newest) ? newest : 1;
  if (newest == 0 || (j->fd = open(segment_path(j, (i64)newest), O_RDWR | O_CLOEXEC | O_APPEND)) < 0) return;
  off_t at = 0, size = lseek(j->fd, 0, SEEK_END);
  while (pread(j->fd, &r, sizeof r, at) == sizeof r && r.magic == RECORD_MAGIC && r.length <= CHUNK_BYTES &&
         r.check == checksum(&r) && at + (off_t)sizeof r + r.length <= size) {
    at += (off_t)(sizeof r + r.length); j->seq = r.seq + 1, j->offset = r.offset + r.dropped + r.length;
  }
  if (at < size && ftruncate(j->fd, at) == 0) j->kept -= (uint64_t)(size - at);
  j->segment = (uint64_t)at;
}
/* Makes room: the oldest segment goes, and a line in `dropped` says where it began. */
static void drop_oldest(struct journal *j) {
  uint64_t oldest = 0, newest = 0; struct record r;
  while (survey(j, &oldest, &newest) > 1 && j->kept > j->limit) {
    int fd = open(segment_path(j, (i64)oldest), O_RDONLY | O_CLOEXEC);
    int out = open(str("%s/dropped", j->dir), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd >= 0 && out >= 0 && pread(fd, &r, sizeof r, 0) == sizeof r) {
      uint64_t line[2] = {oldest, r.offset};
      if (lseek(out, 0, SEEK_END) >= DROPPED_BYTES_MAX && ftruncate(out, 0)) {}
      if (write(out, line, sizeof line) < 0) {} /* a reader that comes back is then told less than was dropped */
    }
    shut(fd); shut(out); if (unlink(segment_path(j, (i64)oldest))) return;
  }
}
static bool append(struct journal *j, int stream, const char *p, size_t n, uint64_t dropped) {
  uint64_t size = j->limit / SEGMENTS_PER_LOG;
  size = size > SEGMENT_BYTES_MAX ? SEGMENT_BYTES_MAX : size < SEGMENT_BYTES_MIN ? SEGMENT_BYTES_MIN : size;
  if (j->fd < 0 || j->segment >= size) {
    shut(j->fd); if (mkdir(j->dir, 0700) && errno != EEXIST) return j->fd = -1, false;
    if ((j->fd = open(segment_path(j, (i64)j->seq), O_RDWR | O_CLOEXEC | O_APPEND | O_CREAT, 0600)) < 0) return false;
    j->segment = 0;
  }
  struct record r = {RECORD_MAGIC, (uint32_t)n, j->seq, (uint64_t)clock_ns(CLOCK_REALTIME), j->offset, dropped,
                     (uint32_t)stream, 0};
  r.check = checksum(&r); struct iovec v[2] = {{&r, sizeof r}, {(void *)p, n}}; ssize_t w = writev(j->fd, v, 2);
  if (w != (ssize_t)(sizeof r + n)) { /* where the torn record can't be cut off, it is left and a new file begun */
    if (w > 0 && ftruncate(j->fd, (off_t)j->segment)) j->segment = UINT64_MAX;
    return false;
  }
  j->seq++, j->offset += dropped + n, j->segment += (uint64_t)w, j->kept += (uint64_t)w;
  if (j->kept > j->limit) drop_oldest(j);
  return true;
}
/* What was written is paid for by time. Once it is too much, a second is dropped at a time: one note says so. */
static bool too_fast(struct journal *j, size_t n) {
  i64 now = clock_ns(CLOCK_MONOTONIC); j->paid = j->paid < now ? now : j->paid;
  j->held = j->rate > 0 && j->paid - now > (i64)(LOG_BURST_SECONDS - j->held) * NS;
  if (j->rate > 0 && !j->held) j->paid += (i64)n * NS / j->rate;
  return j->held;
}
static void journal_append(struct journal *j, int stream, const char *p, size_t n) { /* no bytes: only what was lost */
  if (!j->dir) return;
  if (n && too_fast(j, n)) { j->lost += n, j->fast = true; return; }
  char *note = str("%llu bytes of output were dropped: %s\n", (unsigned long long)j->lost,
                   j->fast ? "they came faster than the log takes them" : "the disk is full");
  if (j->lost && append(j, LOG_ARC, note, strlen(note), j->lost)) j->lost = 0, j->fast = false;
  if (n && (j->lost || !append(j, stream, p, n, 0))) j->lost += n;
}
