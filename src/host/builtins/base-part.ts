import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ArcError } from '../../contract/errors.ts';
import { RootPlan } from './root-plan.ts';

/** The part below `shell`, `python` and `node`: a shell, its usual tools, and the files that make a root a system. */

const COREUTILS =
  '[ arch b2sum base32 base64 basename basenc cat chgrp chmod chown cksum comm cp csplit cut date dd df dir dircolors ' +
  'dirname du echo env expand expr factor false fmt fold groups head hostid id install join link ln logname ls md5sum ' +
  'mkdir mkfifo mknod mktemp mv nice nl nohup nproc numfmt od paste pathchk pr printenv printf ptx pwd readlink ' +
  'realpath rm rmdir seq sha1sum sha224sum sha256sum sha384sum sha512sum shred shuf sleep sort split stat stdbuf stty ' +
  'sum sync tac tail tee test timeout touch tr true truncate tsort tty uname unexpand uniq unlink users vdir wc who ' +
  'whoami yes';

/** Without these there is no shell to speak of; the second says where they come from. */
const REQUIRED: readonly (readonly [string, string])[] = [
  ['bash', 'bash'],
  ['sh', 'dash'],
  ['ls', 'coreutils'],
  ['sleep', 'coreutils'],
];

/** Taken where the machine has them. */
const WISHED =
  'awk bzip2 cmp curl diff find free getent getopt grep egrep fgrep gunzip gzip hexdump hostname jq kill less ' +
  'lsof nano patch pgrep pkill ps rev script sed setsid tar top unxz uptime vi vmstat w watch which xargs xxd xz ' +
  'zcat zstd ip ss nc openssl tput reset clear more flock ldd iconv locale';

/** What programs that people bring along (npm's native modules, Python's wheels) are linked against everywhere. */
const USUAL_LIBRARIES =
  'librt.so.1 libpthread.so.0 libdl.so.2 libutil.so.1 libresolv.so.2 libm.so.6 libgcc_s.so.1 libstdc++.so.6 ' +
  'libnss_files.so.2 libnss_dns.so.2';

export const PASSWD = `root:x:0:0:root:/root:/bin/bash
user:x:1000:1000:user:/home/user:/bin/bash
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
`;
export const GROUP = `root:x:0:
tty:x:5:
user:x:1000:
nogroup:x:65534:
`;

export function planBase(): RootPlan {
  const plan = new RootPlan();
  skeleton(plan);
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) {
    plan.directory(`/usr/${name}`);
    plan.link(`/${name}`, `usr/${name}`);
  }
  for (const [name, debianPackage] of REQUIRED) {
    if (plan.program(name)) continue;
    throw new ArcError('host_unfit', `the builtin shell needs ${name}`, { hint: `apt-get install ${debianPackage}` });
  }
  for (const name of `${COREUTILS} ${WISHED}`.split(' ')) plan.program(name);
  for (const name of USUAL_LIBRARIES.split(' ')) plan.library(name);
  addSystemFiles(plan);
  return plan;
}

/** What every root has, `whoami`'s too: mount points, users, a place to write. */
export function skeleton(plan: RootPlan): void {
  for (const path of ['/proc', '/sys', '/dev', '/run', '/etc', '/usr', '/var', '/srv', '/home']) plan.directory(path);
  for (const path of ['/tmp', '/var/tmp']) plan.directory(path, 0o1777);
  plan.directory('/root', 0o700);
  plan.directory('/home/user', 0o755, 1000);
  plan.text('/etc/passwd', PASSWD);
  plan.text('/etc/group', GROUP);
  plan.text('/etc/nsswitch.conf', 'passwd: files\ngroup: files\nhosts: files dns\n');
  plan.text('/etc/hosts', '127.0.0.1 localhost\n::1 localhost\n');
  plan.text('/etc/hostname', 'sandbox\n');
  plan.text('/etc/resolv.conf', '');
}

function addSystemFiles(plan: RootPlan): void {
  plan.text('/etc/os-release', 'NAME="Arc builtin"\nID=arc\nPRETTY_NAME="Arc builtin root"\n');
  plan.text('/etc/profile', 'export PATH=/usr/local/bin:/usr/bin:/usr/sbin\nPS1="\\u@\\h:\\w\\\\$ "\n');
  plan.text('/etc/bash.bashrc', '[ -n "$PS1" ] && PS1="\\u@\\h:\\w\\\\$ "\n');
  plan.text('/etc/shells', '/bin/sh\n/bin/bash\n');
  plan.file('/usr/share/zoneinfo/Etc/UTC', '/usr/share/zoneinfo/UTC');
  plan.link('/etc/localtime', '/usr/share/zoneinfo/UTC');
  plan.file('/etc/ssl/certs/ca-certificates.crt');
  plan.file('/etc/ssl/openssl.cnf');
  plan.link('/usr/lib/ssl/certs', '/etc/ssl/certs');
  plan.link('/usr/lib/ssl/cert.pem', '/etc/ssl/certs/ca-certificates.crt');
  plan.link('/usr/lib/ssl/openssl.cnf', '/etc/ssl/openssl.cnf');
  for (const dir of ['/usr/lib/locale/C.utf8', '/usr/lib/locale/C.UTF-8', '/usr/lib/terminfo', '/lib/terminfo']) {
    if (existsSync(dir)) plan.tree(dir, dir.replace(/^\/lib\//, '/usr/lib/'), () => false);
  }
  // Vim complains at each start when these two are missing.
  for (const version of existsSync('/usr/share/vim') ? readdirSync('/usr/share/vim') : []) {
    for (const name of ['defaults.vim', 'debian.vim']) plan.file(join('/usr/share/vim', version, name));
  }
}
