import { formatCidr } from './cidr.ts';
import type { NetworkPlan } from './plan.ts';
import { REFUSED_V4 } from './refused.ts';

/** Before other filters of the host (priority 0), so that what they accept early is still refused here. */
const FILTER_PRIORITY = -10;
/** Before connection tracking (-200): a forged source never makes an entry there. */
const RAW_PRIORITY = -310;

export interface RuleOptions {
  /** Arc turned forwarding on for this host: it then forwards for sandboxes only. */
  readonly forwardingIsOurs: boolean;
}

/** Said in the table, so that a later start knows it and keeps the rule. */
export const FORWARDING_MARK = 'forwarding was turned on by arc';

/**
 * The one table. Its size does not depend on the number of sandboxes: the name of an interface tells the policy, the route
 * back tells whether a source address is its own, and a set holds what is refused.
 *
 * What a sandbox sends is refused with an answer, so that its programs fail at once instead of waiting; what is sent to one is
 * dropped. The table is replaced in one transaction; there is no moment without rules.
 */
export function ruleset(plan: NetworkPlan, options: RuleOptions): string {
  const none = `"${plan.prefix('none')}*"`;
  const open = `"${plan.prefix('public')}*"`;
  const ours = `{ ${none}, ${open} }`;
  return `table inet ${plan.table}
delete table inet ${plan.table}
table inet ${plan.table} {
  set refused4 {
    type ipv4_addr
    flags interval
    auto-merge
    elements = { ${[...REFUSED_V4, formatCidr(plan.range)].join(', ')} }
  }

  chain source {
    type filter hook prerouting priority ${RAW_PRIORITY}; policy accept;
    iifname ${ours} jump own_source
  }
  chain own_source {
    meta nfproto ipv6 drop
    ip saddr != ${formatCidr(plan.range)} drop
    fib saddr . iif oif missing drop
  }

  chain input {
    type filter hook input priority ${FILTER_PRIORITY}; policy accept;
    iifname ${ours} jump to_host
  }
  chain to_host {
    ct state established accept
    reject with icmpx admin-prohibited
  }

  chain forward {
    type filter hook forward priority ${FILTER_PRIORITY}; policy accept;
    iifname ${none} reject with icmpx admin-prohibited
    oifname ${none} drop
    iifname ${open} jump outbound
    oifname ${open} jump inbound
${options.forwardingIsOurs ? `    iifname != ${ours} oifname != ${ours} drop comment "${FORWARDING_MARK}"\n` : ''}  }
  chain outbound {
    oifname ${ours} reject with icmpx admin-prohibited
    ip daddr @refused4 reject with icmpx admin-prohibited
    accept
  }
  chain inbound {
    ct state established accept
    ct state related meta l4proto icmp accept
    drop
  }

  chain translate {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr ${formatCidr(plan.range)} oifname != ${ours} masquerade
  }
}
`;
}
