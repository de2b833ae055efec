import { client } from 'arc/sdk';

/** A workplace for an agent: files and commands over many steps, and a network that is a list of names. */

const { ARC_URL = 'http://127.0.0.1:7700', ARC_API_KEY = '' } = process.env;
const arc = client({ url: ARC_URL, key: ARC_API_KEY });

// Once: a template says what may be asked for at most, and a create can only ask for less network and more isolation.
const names = (await arc.templates.list()).map(({ template }) => template.name);
if (!names.includes('agent')) {
  const { template } = await arc.templates.get('python');
  const network = { allow: ['pypi.org', 'files.pythonhosted.org'] };
  await arc.templates.add({ ...template, name: 'agent', isolation: 'container', usually: 'container', network });
}

await using sandbox = await arc.sandboxes.create({
  template: 'agent',
  labels: { agent: 'demo', task: '17' },
  idle: { hard: '10m', then: 'stopped', keep: true },
  ttl: '2h',
});

await sandbox.files.write('/tmp/sum.py', 'import sys\nprint(sum(int(line) for line in sys.stdin))\n');
const step = await sandbox.exec(['python3', '/tmp/sum.py'], { stdin: '1\n2\n39\n', timeout: '30s' });
console.log(`exit ${step.code}: ${step.stdout.trim()}`);

// A step that fails is a result, not an exception: what it printed is what the agent goes on with.
const failed = await sandbox.exec(['python3', '-c', 'import nothing']);
console.log(`exit ${failed.code}: ${failed.stderr.trim().split('\n').at(-1)}`);

// Once everything is fetched, nothing needs to get out any more.
await sandbox.setNetwork('none');
const { opened, refused } = await sandbox.network();
console.log(`${opened} connections opened, ${refused.length} refused`);
