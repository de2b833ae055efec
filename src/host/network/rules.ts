import { type Cidr, formatCidr } from '../../domain/network/cidr.ts';
import { NEVER_V4, REFUSED_V4 } from '../../domain/network/refused.ts';
import { PASSED_MARK } from './barrier.ts';
import { counters, SETS } from './elements.ts';
import type { NetworkPlan } from './plan.ts';

/** Before other filters of the host (priority 0), so that what they accept early is still refused here. */
const FILTER_PRIORITY = -10;
/** Before connection tracking (-200): a forged source never makes an entry there. */
const RAW_PRIORITY = -310;
/** After addresses were translated back (-100), and after all that may set marks of their own. */
const MARK_PRIORITY = 300;

export interface RuleOptions {
  /** Arc turned forwarding on for this host: it then forwards for sandboxes only. */
  readonly forwardingIsOurs: boolean;
  /** Different numbers of connections that sandboxes may have open. */
  readonly connections: readonly number[];
  /** Ranges that the operator lets allow-lists name. */
  readonly open: readonly Cidr[];
}

/** Said in the table, so that a later start knows it and keeps the rule. */
export const FORWARDING_MARK = 'forwarding was turned on by arc';

const list = (values: readonly string[]): string => `{ ${values.join(', ')} }`;

/**
 * The one table. The number of its rules does not depend on the number of sandboxes: an interface's name tells that it is
 * one of ours, the route back tells whether a source address is its own, and sets tell by that address what it may do. What
 * is in no set may do nothing.
 *
 * What a sandbox sends is refused with an answer, so that its programs fail at once instead of waiting; what is sent to one is
 * dropped. The table is replaced in one transaction, sets and all; there is no moment without rules.
 *
 * A connection that an allow-list let out is marked with the number of the policy that did. It goes on when the answer
 * of the name server is forgotten, and is looked at anew when the policy becomes another.
 *
 * Lookups go to port 53 of the gateway, an address that comes and goes; they are led to the port where the resolver listens.
 *
 * @param elements what the sets hold, as `elements.ts` writes it
 */
export function ruleset(plan: NetworkPlan, options: RuleOptions, elements = ''): string {
  const ours = `{ "${plan.prefix('none')}*", "${plan.prefix('public')}*" }`;
  const range = formatCidr(plan.range);
  const { open } = options;
  const opened = open.length === 0 ? '' : ` ip daddr != ${list(open.map(formatCidr))}`;
  const lookup = 'meta l4proto { tcp, udp }';
  return `table inet ${plan.table}
delete table inet ${plan.table}
table inet ${plan.table} {
${SETS}
  chain source {
    type filter hook prerouting priority ${RAW_PRIORITY}; policy accept;
    iifname ${ours} jump own_source
  }
  chain own_source {
    meta nfproto ipv6 drop
    ip saddr != ${range} drop
    fib saddr . iif oif missing drop
  }
  chain passed {
    type filter hook prerouting priority ${MARK_PRIORITY}; policy accept;
    iifname ${ours} meta mark set meta mark or ${PASSED_MARK}
    ip daddr ${range} meta mark set meta mark or ${PASSED_MARK}
  }
  chain lookups {
    type nat hook prerouting priority dstnat; policy accept;
    iifname ${ours} ip daddr ${plan.gateway} ip saddr @asking ${lookup} th dport 53 redirect to :th dport map @resolver
  }

  chain input {
    type filter hook input priority ${FILTER_PRIORITY}; policy accept;
    iifname ${ours} jump to_host
    iifname != ${ours} iifname != "lo" ${lookup} th dport @resolver_port reject with icmpx admin-prohibited
  }
  chain to_host {
    ct state established accept
    ip saddr @asking ${lookup} th dport @resolver_port ct status dnat accept
    jump refuse
  }

  chain forward {
    type filter hook forward priority ${FILTER_PRIORITY}; policy accept;
    iifname ${ours} jump outbound
    oifname ${ours} jump inbound
${options.forwardingIsOurs ? `    iifname != ${ours} oifname != ${ours} drop comment "${FORWARDING_MARK}"\n` : ''}  }
  chain outbound {
    oifname ${ours} jump refuse
    ip daddr ${list([range, ...NEVER_V4])} jump refuse
    ip saddr @bandwidth drop
    ip saddr vmap @policies
    jump refuse
  }
  chain by_public {
    ip daddr ${list(REFUSED_V4)} jump refuse
    ct state new jump begin
    accept
  }
  chain by_ports {
    meta l4proto != { tcp, udp } jump refuse
    ip saddr . th dport != @ports jump refuse
    jump by_list
  }
  chain by_list {
    ip daddr ${list(REFUSED_V4)}${opened} jump refuse
    ct state established,related ip saddr . ct mark @current accept
    ip saddr . ip daddr @networks goto pass
    ip saddr . ip daddr @names goto pass
    jump refuse
  }
  chain pass {
    ct state new jump begin
    ct mark set ip saddr map @generation accept
  }
  chain begin {
    ip saddr vmap @counting
    ip saddr @opened
  }
  chain refuse {
    meta l4proto { tcp, udp } ip saddr . ip daddr . meta l4proto . th dport @refused reject with icmpx admin-prohibited
    meta l4proto != { tcp, udp } ip saddr . ip daddr . meta l4proto @refused_other reject with icmpx admin-prohibited
    update @refusing { ip saddr limit rate 12/minute burst 64 packets } jump remember
    reject with icmpx admin-prohibited
  }
  chain remember {
    meta l4proto { tcp, udp } add @refused { ip saddr . ip daddr . meta l4proto . th dport counter }
    meta l4proto != { tcp, udp } add @refused_other { ip saddr . ip daddr . meta l4proto counter }
  }
${counters(options.connections)}  chain inbound {
    ip saddr ${range} drop
    ip daddr != @online drop
    ct state established accept
    ct state related meta l4proto icmp accept
    drop
  }

  chain translate {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr ${range} oifname != ${ours} masquerade
  }
}
${elements}`;
}
