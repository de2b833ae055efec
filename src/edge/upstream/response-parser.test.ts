import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { ProtocolError } from './failure.ts';
import { ResponseParser } from './response-parser.ts';

interface Seen {
  readonly status: number[];
  readonly headers: string[];
  body: string;
  trailers: readonly string[];
  completed: number;
  reusable: boolean | undefined;
}

/** Feeds the bytes in pieces cut at the given places and notes what comes out. */
function parse(bytes: string, cuts: readonly number[], method = 'GET'): Seen {
  const seen: Seen = { status: [], headers: [], body: '', trailers: [], completed: 0, reusable: undefined };
  const parser = new ResponseParser(8_192);
  const sink = {
    onInformation: (head: { status: number }) => void seen.status.push(head.status),
    onHead: (head: { status: number; headers: string[] }) => {
      seen.status.push(head.status);
      seen.headers.push(...head.headers);
    },
    onBody: (part: Buffer) => {
      seen.body += part.toString('latin1');
    },
    onComplete: (trailers: readonly string[], reusable: boolean) => {
      seen.trailers = trailers;
      seen.completed += 1;
      seen.reusable = reusable;
    },
    onUpgrade: () => {},
  };
  parser.begin(sink, method, false);
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  let from = 0;
  for (const place of [...places, bytes.length]) {
    if (place > from) parser.feed(Buffer.from(bytes.slice(from, place), 'latin1'));
    from = Math.max(from, place);
  }
  parser.end();
  return seen;
}

const ANSWERS: readonly string[] = [
  'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A:  b \r\n\r\nhello',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;ext="1"\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\nX-T: 1\r\n\r\n',
  'HTTP/1.0 200 OK\nServer: small\n\nhello until the end',
  'HTTP/1.1 204 No Content\r\nX-A: 1\r\n folded\r\n\r\n',
];

it('an answer reads the same however its bytes are cut', () => {
  for (const answer of ANSWERS) {
    const whole = parse(answer, []);
    assert.equal(whole.completed, 1);
    fc.assert(
      fc.property(fc.array(fc.nat(1_000), { maxLength: 40 }), (cuts) => {
        assert.deepEqual(parse(answer, cuts), whole);
      }),
    );
    assert.deepEqual(
      parse(
        answer,
        Array.from(answer, (_, at) => at),
      ),
      whole,
    );
  }
  assert.deepEqual(parse(ANSWERS[1] ?? '', []).trailers, ['X-T', '1']);
  assert.equal(parse(ANSWERS[1] ?? '', []).body, 'hello world');
  assert.deepEqual(parse(ANSWERS[3] ?? '', []).headers, ['X-A', '1 folded']);
});

it('any bytes at all are read, or refused, and never given more often than once', () => {
  const noise = fc.array(
    fc.oneof(
      fc.constantFrom(
        'HTTP/1.1 200 OK\r\n',
        'Content-Length: 3\r\n',
        'Transfer-Encoding: chunked\r\n',
        '\r\n',
        '3\r\nabc\r\n',
        '0\r\n\r\n',
        '\n',
        ': ',
      ),
      fc.string(),
    ),
    { maxLength: 12 },
  );
  fc.assert(
    fc.property(noise, fc.array(fc.nat(200), { maxLength: 5 }), (parts, cuts) => {
      try {
        assert.ok(parse(parts.join(''), cuts).completed <= 1);
      } catch (error) {
        assert.ok(error instanceof ProtocolError, String(error));
      }
    }),
    { numRuns: 500 },
  );
});

it('a connection is kept only where both sides know where the answer ended', () => {
  const reusable = (head: string, body = '') => parse(`${head}\r\n\r\n${body}`, []).reusable;
  assert.equal(reusable('HTTP/1.1 200 OK\r\nContent-Length: 0'), true);
  assert.equal(reusable('HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close'), false);
  assert.equal(reusable('HTTP/1.0 200 OK\r\nContent-Length: 0'), false);
  assert.equal(reusable('HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive'), true);
  assert.equal(reusable('HTTP/1.1 200 OK', 'body'), false);
  assert.equal(reusable('HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked', '0\r\n\r\n'), false);
});

it('a header that comes byte by byte costs no more than its length', () => {
  const long = `HTTP/1.1 200 OK\r\nX-A: ${'a'.repeat(7_000)}\r\nContent-Length: 0\r\n\r\n`;
  assert.equal(
    parse(
      long,
      Array.from(long, (_, at) => at),
    ).completed,
    1,
  );
  assert.throws(() => parse(long.replace('a\r', `${'a'.repeat(9_000)}\r`), []), ProtocolError);
});
