import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ruleFaults } from './rule-faults.ts';

/** As the kernel lists them: neighbours merged, single addresses bare. */
const LISTED = `table inet arc_x {
	chain forward {
		type filter hook forward priority -10; policy accept;
		iifname { "arcnx*", "arcpx*" } jump outbound
	}

	chain outbound {
		oifname { "arcnx*", "arcpx*" } jump refuse
		ip saddr vmap @policies
		jump refuse
	}

	chain by_public {
		ip daddr { 0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 168.63.129.16, 169.254.0.0/16, 172.16.0.0/12, 192.0.0.0/24, 192.0.2.0/24, 192.88.99.0/24, 192.168.0.0/16, 198.18.0.0/15, 198.51.100.0/24, 203.0.113.0/24, 224.0.0.0/3 } jump refuse
		accept
	}
}`;

test('rules that refuse what must be refused have no fault', () => {
  assert.deepEqual(ruleFaults(LISTED), []);
});

test('what is taken away from the rules is named', () => {
  assert.match(ruleFaults(LISTED.replace('169.254.0.0/16, ', '')).join(), /^169\.254\.0\.0\/16 can be reached$/);
  assert.match(ruleFaults(LISTED.replace('jump outbound', 'accept')).join(), /nothing looks/);
  assert.match(ruleFaults(LISTED.replace('\t\tjump refuse\n\t}', '\t\taccept\n\t}')).join(), /not refused/);
  assert.equal(ruleFaults('').length, 3);
});
