import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { builtConsole } from '../../src/main/console/build.ts';
import { LAUNCHER } from './lib/launch.ts';
import { bootAndRun } from './vm/boot.ts';
import { prepareKernel } from './vm/kernel.ts';

/**
 * The same platform on a machine of its own with Debian's stock kernel and the unified cgroup hierarchy, as most users
 * have it: a create, an answer through the edge, limits that hold, and nothing left behind.
 */
const CACHE = join(import.meta.dirname, '../../node_modules/.cache/arc-test-kernel');
const TIMEOUT_MS = 900_000;

const SCRIPT = `
export ARC_DATA_DIR=/mnt/data/arc ARC_SETUP=false ARC_VERIFY=asked
arc=${LAUNCHER}
mark() { echo; echo "== $1"; }
# Trying other levels takes minutes under emulation, and they have tests of their own.
for program in runsc bwrap; do [ -e /usr/bin/$program ] && mount --bind /dev/null /usr/bin/$program; done
# What other Arcs of the machine that shows its files have written there is not of this one.
mkdir -p /var/lib/arc-host; mount -t tmpfs registry /var/lib/arc-host
mark machine; uname -r; stat -f -c %T /sys/fs/cgroup
mark up; $arc up --detach
# Every level has been tried when this answers, so that nothing runs beside what is looked at.
mark levels; $arc levels > /dev/null
mark create; id=$($arc create whoami --wait 5m --json | grep -o 'sb-[a-z2-7]*' | head -1); echo "$id"
mark answer; curl -s -H "Host: $id.localhost" http://127.0.0.1:7780/
mark groups; cd /sys/fs/cgroup/arc-*/$id; cat memory.max pids.max cpu.max; cd /
mark inside; $arc run shell -- sh -c 'id -u; cat /proc/self/uid_map; cat /proc/self/cgroup; grep -c . /proc/self/mountinfo; ls /sys/fs/cgroup'
mark memory; $arc run shell --memory 32MiB -- sh -c 'tail /dev/zero' || echo "ended with $?"
mark pids; $arc run shell --pids 20 -- sh -c 'i=0; while [ $i -lt 40 ]; do sleep 5 & i=$((i+1)); done; wait' 2>&1 | tail -1 || true
mark stats; $arc stats "$id"
mark kill; kill -9 $(sed 's/.*"pid":\\([0-9]*\\).*/\\1/' /mnt/data/arc/server.json); $arc up --detach; $arc show "$id" | head -2
mark again; curl -s -o /dev/null -w '%{http_code}\\n' -H "Host: $id.localhost" http://127.0.0.1:7780/
mark down; $arc down --all
mark left; ls /sys/fs/cgroup | grep '^arc-' || echo "no cgroup"; ip -br link | grep -c arc || echo "no interface"
`;

test('on Debian’s own kernel with cgroup v2, sandboxes start, are limited, are adopted and leave nothing', async () => {
  await mkdir(CACHE, { recursive: true });
  const kernel = await prepareKernel(CACHE);
  // It is the same there, and would take minutes under emulation.
  await builtConsole();
  const printed = await bootAndRun(kernel, { script: SCRIPT, memoryMiB: 3072, timeoutMs: TIMEOUT_MS });
  const part = (name: string): string => printed.split(`== ${name}\n`)[1]?.split('\n== ')[0] ?? '';
  const say = () => printed;
  assert.match(part('machine'), /^6\.\S+\ncgroup2fs/, say());
  assert.match(part('answer'), new RegExp(part('create').trim()), say());
  assert.match(part('groups'), /^16777216\n16\n100000 100000/, say());
  assert.match(part('inside'), /^0\n\s+0\s+2\d+\s+65536\n0::\/\n/, say());
  assert.match(part('memory'), /ended with 137/, say());
  assert.match(part('pids'), /fork|Resource|retry/i, say());
  assert.match(part('kill'), /running/, say());
  assert.match(part('again'), /^200/, say());
  assert.match(part('left'), /no cgroup\n.*no interface/s, say());
});
