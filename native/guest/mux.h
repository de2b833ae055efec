/* One virtio-serial port carries many connections. A frame is 12 bytes of header and at most 32 KiB: 0xa7, kind, stream
 * (2), length (4), check (4: FNV-1a over the 8 bytes before it and the payload). Zeros between frames are skipped, so a
 * host that comes back writes one frame's worth of them and then its hello: whatever its forerunner left half written
 * ends there, and fails its check. Each direction of a stream has a window, which its reader opens again. */
enum { MUX_MAGIC = 0xa7, MUX_HEADER = 12, MUX_BYTES_MAX = 32768, MUX_WINDOW = 262144, MUX_STREAMS_MAX = 256,
       MUX_QUEUE_MAX = 524288 };
enum { MUX_HELLO = 1, MUX_WELCOME, MUX_OPEN, MUX_DATA, MUX_CREDIT, MUX_END };
struct stream { struct src src; unsigned id; size_t credit, sent; struct buf in; bool ended; struct stream *next; };
static struct stream *streams; static struct src port; static struct buf mux_in, mux_out; static size_t mux_sent;
static int nstreams; static bool welcome;
static void conn_new(int fd); /* in conn.h */
static uint32_t mux_check(const char *head, const char *p, size_t n) {
  uint32_t h = 2166136261u;
  for (size_t i = 0; i < 8; i++) h = (h ^ (unsigned char)head[i]) * 16777619u;
  for (size_t i = 0; i < n; i++) h = (h ^ (unsigned char)p[i]) * 16777619u;
  return h;
}
static void mux_flush(void) {
  while (mux_sent < mux_out.n) {
    size_t n = mux_out.n - mux_sent; ssize_t w = write(port.fd, mux_out.p + mux_sent, n < MUX_BYTES_MAX ? n
        : MUX_BYTES_MAX);
    if (w <= 0) break; /* the edge that says there is room comes later */
    mux_sent += (size_t)w;
  }
  if (mux_sent == mux_out.n || mux_sent > MUX_WINDOW) consume(&mux_out, mux_sent), mux_sent = 0;
}
static void mux_send(unsigned kind, unsigned id, const void *p, size_t n) {
  char head[MUX_HEADER] = {(char)MUX_MAGIC, (char)kind, (char)id, (char)(id >> 8)}; uint32_t length = (uint32_t)n,
      check;
  memcpy(head + 4, &length, 4), check = mux_check(head, p, n), memcpy(head + 8, &check, 4);
  add(&mux_out, head, sizeof head), add(&mux_out, p, n);
}
static void stream_close(struct stream *s) {
  UNLINK(streams, s); nstreams--, drop(&s->src), free(s->in.p), bury(s);
}
static void stream_watch(struct stream *s) {
  bool take = s->credit > 0 && mux_out.n - mux_sent < MUX_QUEUE_MAX;
  rewatch(&s->src, (take ? EPOLLIN : 0) | (s->in.n > s->sent ? EPOLLOUT : 0));
}
static void stream_feed(struct stream *s) { /* what has come from the host goes to the connection, as it takes it */
  uint32_t given = 0;
  while (s->sent < s->in.n) {
    ssize_t n = send(s->src.fd, s->in.p + s->sent, s->in.n - s->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) break;
    if (n < 0) { mux_send(MUX_END, s->id, NULL, 0); return stream_close(s); }
    s->sent += (size_t)n, given += (uint32_t)n;
  }
  if (s->sent == s->in.n) consume(&s->in, s->in.n), s->sent = 0;
  if (given) mux_send(MUX_CREDIT, s->id, &given, 4);
  if (s->ended && !s->in.n) return stream_close(s);
  stream_watch(s);
}
static void on_stream(struct src *src, unsigned events) {
  struct stream *s = src->of; static char data[MUX_BYTES_MAX]; size_t most = s->credit < sizeof data ? s->credit
      : sizeof data;
  if (events & EPOLLOUT) { stream_feed(s); if (src->fd < 0) return; }
  if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR))) return;
  ssize_t n = most ? recv(src->fd, data, most, MSG_DONTWAIT) : -1;
  if (n > 0) s->credit -= (size_t)n, mux_send(MUX_DATA, s->id, data, (size_t)n), stream_watch(s);
  else if (n == 0 || (most && errno != EAGAIN && errno != EINTR)) mux_send(MUX_END, s->id, NULL, 0), stream_close(s);
  else rewatch(src, 0); /* it has ended, with what its reader has not asked for: the credit wakes it */
  mux_flush();
}
static void stream_open(unsigned id) {
  int pair[2];
  if (nstreams >= MUX_STREAMS_MAX || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair))
    return mux_send(MUX_END, id, NULL, 0);
  struct stream *s = make(sizeof *s);
  s->id = id, s->credit = MUX_WINDOW, s->next = streams, streams = s, nstreams++;
  watch(&s->src, pair[0], EPOLLIN, on_stream, s), conn_new(pair[1]);
}
static void mux_reset(void) {
  while (streams) stream_close(streams);
  consume(&mux_out, mux_out.n), mux_sent = 0;
}
static void mux_frame(unsigned kind, unsigned id, const char *p, size_t n) {
  struct stream *s = streams; uint32_t more; while (s && s->id != id) s = s->next;
  if (kind == MUX_HELLO) return mux_reset(), welcome = true, mux_send(MUX_WELCOME, 0, p, n);
  if (!welcome) return;
  if (kind == MUX_OPEN && !s) return stream_open(id);
  if (!s) return; /* of a stream that has ended here meanwhile */
  if (kind == MUX_DATA && s->in.n - s->sent + n <= MUX_WINDOW) add(&s->in, p, n), stream_feed(s);
  else if (kind == MUX_CREDIT && n == 4) memcpy(&more, p, 4), s->credit += more, stream_watch(s);
  else if (s->ended = true, kind == MUX_END) stream_feed(s);
  else mux_send(MUX_END, id, NULL, 0), stream_close(s);
}
static void mux_parse(void) {
  size_t at = 0;
  for (uint32_t n, check; at < mux_in.n;) {
    const char *head = mux_in.p + at; if ((unsigned char)*head != MUX_MAGIC) { at++; continue; }
    if (mux_in.n - at < MUX_HEADER) break;
    memcpy(&n, head + 4, 4), memcpy(&check, head + 8, 4); if (n > MUX_BYTES_MAX) { at++; continue; }
    if (mux_in.n - at < MUX_HEADER + n) break;
    at += MUX_HEADER + n; if (check != mux_check(head, head + MUX_HEADER, n)) continue;
    mux_frame((unsigned char)head[1], (unsigned char)head[2] | (unsigned)(unsigned char)head[3] << 8,
        head + MUX_HEADER, n);
  }
  consume(&mux_in, at);
}
static void on_port(struct src *src,
    unsigned events) { /* told of edges only: without a host it is hung up all the time */
  static char data[CHUNK_BYTES]; ssize_t n; (void)events;
  while ((n = read(src->fd, data, sizeof data)) > 0) add(&mux_in, data, (size_t)n), mux_parse();
  if (n == 0 && welcome) mux_reset(), consume(&mux_in, mux_in.n), welcome = false; /* the host is gone */
  mux_flush(); for (struct stream *s = streams; s; s = s->next) stream_watch(s);
}
