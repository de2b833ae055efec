import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { parseCidr } from '../../../src/domain/network/cidr.ts';
import { Barrier } from '../../../src/host/network/barrier.ts';
import { silentLogger } from '../../../src/kit/logger.ts';
import { runProgram } from '../../../src/kit/run.ts';

/** In a network namespace of its own. */

const NAME = `arc-barrier-${process.pid}`;
const inside = (...argv: string[]) =>
  spawnSync('/usr/bin/nsenter', [`--net=/run/netns/${NAME}`, ...argv], { encoding: 'utf8' }).stdout;
const policies = (): readonly string[] => inside('/usr/sbin/ip', 'xfrm', 'policy').match(/^src .+$/gm) ?? [];

function barrierOf(range: string): Barrier {
  const cidr = parseCidr(range);
  assert.ok(cidr);
  return new Barrier({
    plan: { range: cidr },
    ip: '/usr/sbin/ip',
    run: (argv, options) => runProgram(['/usr/bin/nsenter', `--net=/run/netns/${NAME}`, ...argv], options),
    log: silentLogger,
  });
}

test('the barrier goes as a whole, and leaves that of another range and other policies alone', async () => {
  assert.equal(spawnSync('/usr/sbin/ip', ['netns', 'add', NAME]).status, 0);
  try {
    const [one, other] = [barrierOf('10.31.0.0/16'), barrierOf('10.32.0.0/16')];
    assert.equal(await one.raise(), true);
    assert.equal(await one.raise(), true, 'it may be there already');
    assert.equal(await other.raise(), true);
    inside(...'/usr/sbin/ip xfrm policy add src 10.31.0.0/16 dst 192.0.2.0/24 dir fwd action allow'.split(' '));
    assert.equal(policies().length, 7);
    await one.remove();
    assert.equal(policies().length, 4);
    assert.ok(
      policies().some((policy) => policy.includes('192.0.2.0/24')),
      policies().join(),
    );
    await one.remove();
    await other.remove();
    assert.equal(policies().length, 1);
  } finally {
    spawnSync('/usr/sbin/ip', ['netns', 'delete', NAME]);
  }
});
