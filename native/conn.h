/* Connections, of the helper and of a machine's first program. A malformed frame ends that one only. */
enum { CONNECTIONS_MAX = 1024, QUEUE_BYTES_MAX = 8 << 20 /* that a client has not read; beyond: it is closed */ };
static int nconns; static uint64_t serials; static void request(struct conn *c, const struct msg *m);
static void update(struct conn *c) {
  bool full = (c->exec && c->exec->input.n > 0) || c->out.n - c->sent > QUEUE_BYTES_MAX / 8;
  bool more = c->out.n > c->sent || (c->exec && c->exec->frames.n > c->exec->sent);
  if (!c->closed) rewatch(&c->src, (full ? 0 : EPOLLIN) | (more ? EPOLLOUT : 0));
}
static void conn_close(struct conn *c) {
  if (c->closed) return;
  c->closed = true, nconns--, exec_detach(c), drop(&c->src); UNLINK(conns, c);
  free(c->in.p), free(c->out.p), c->in = c->out = (struct buf){0}, bury(c);
}
static void conn_flush(struct conn *c) {
  while (!c->closed && c->sent < c->out.n) {
    ssize_t n = send(c->src.fd, c->out.p + c->sent, c->out.n - c->sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN) break;
    if (n < 0 && errno != EINTR) return conn_close(c);
    if (n > 0) c->sent += (size_t)n;
  }
  if (!c->closed && (c->sent == c->out.n || c->sent > CHUNK_BYTES)) consume(&c->out, c->sent), c->sent = 0;
  if (c->out.n > QUEUE_BYTES_MAX) return conn_close(c);
  update(c);
}
static void say(struct conn *c, unsigned type, uint32_t id, const struct buf *b) {
  frame(&c->out, type, id, b ? b->p : NULL, b ? b->n : 0), conn_flush(c);
}
static void answer(struct ref ref, unsigned type, const struct buf *b) {
  struct conn *c = conns; while (c && c->serial != ref.conn) c = c->next; if (c) say(c, type, ref.id, b);
}
static void answer_error(struct ref ref, const char *code, const char *why) {
  struct buf b = {0}; text(&b, "code", code), text(&b, "message", why), answer(ref, M_ERROR, &b), free(b.p);
}
static void conn_pump(struct conn *c) {
  size_t at = 0; struct msg m; int r = 0;
  while (!c->closed && !(c->exec && c->exec->input.n) && (r = parse(&c->in, at, &m)) == 1) {
    at += HEADER_BYTES + m.n; if (c->over) continue;
    if (!c->exec) request(c, &m);
    else if (!exec_input(c->exec, &m)) return conn_close(c);
  }
  if (r < 0) conn_close(c);
  if (!c->closed) consume(&c->in, at), update(c);
}
static void on_conn(struct src *src, unsigned events) {
  struct conn *c = src->of; static char data[CHUNK_BYTES]; if (events & EPOLLOUT) conn_flush(c);
  if (events & EPOLLOUT && !c->closed && c->exec) exec_write(c->exec);
  /* With input that its program has not read, it is read from again when that is gone. */
  if (c->closed || !(events & (EPOLLIN | EPOLLHUP | EPOLLERR)) || (c->exec && c->exec->input.n)) return;
  ssize_t n = recv(src->fd, data, sizeof data, 0); if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) return conn_close(c);
  add(&c->in, data, (size_t)n), conn_pump(c);
}
static void conn_new(int fd) {
  struct conn *c = nconns < CONNECTIONS_MAX ? make(sizeof *c) : NULL; if (!c) return shut(fd);
  c->serial = ++serials, c->next = conns, conns = c, nconns++, watch(&c->src, fd, EPOLLIN, on_conn, c);
}
