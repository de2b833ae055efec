/** What the adversary is told to connect to, in its own words: `tcp/ADDRESS/PORT`, `udp/ADDRESS/PORT`, `icmp/ADDRESS`. */

export interface TargetsOf {
  /** Addresses of this machine, the gateway that sandboxes see included. */
  readonly host: readonly string[];
  /** Where a listener of the verification's own answers on all of them, TCP and UDP. */
  readonly listener: number;
  /** Ports of Arc: the API, the edge. */
  readonly arc: readonly number[];
  /** Address of another sandbox, and the port where it answers TCP and UDP. */
  readonly neighbour: string;
  readonly neighbourPort: number;
}

/** Of a machine with very many addresses the first ones stand for all: one rule refuses them. */
const HOST_ADDRESSES_MAX = 12;

const METADATA = [
  'tcp/169.254.169.254/80',
  'tcp/169.254.170.2/80',
  'udp/169.254.169.253/53',
  'tcp/100.100.100.200/80',
  'tcp/192.0.0.192/80',
  'tcp/168.63.129.16/80',
  'tcp/fd00:ec2::254/80',
];
const PRIVATE = [
  'tcp/10.0.0.1/80',
  'tcp/172.16.0.1/80',
  'tcp/172.17.0.1/80',
  'tcp/192.168.0.1/80',
  'tcp/192.168.1.1/80',
  'tcp/100.64.0.1/80',
  'udp/10.0.0.2/53',
  'icmp/10.0.0.1',
  'tcp/fd00::1/80',
  'tcp/fe80::1/80',
];
/** Reached or not, as the policy of the sandbox says; only without a network it is a finding. */
export const INTERNET = ['tcp/1.1.1.1/443', 'tcp/9.9.9.9/53', 'udp/1.1.1.1/53', 'tcp/2606:4700:4700::1111/443'];

/** What no sandbox may reach. */
export function refusedTargets(of: TargetsOf): readonly string[] {
  const host = of.host.slice(0, HOST_ADDRESSES_MAX);
  return [
    ...host.flatMap((address) => [
      `tcp/${address}/${of.listener}`,
      `udp/${address}/${of.listener}`,
      `icmp/${address}`,
      ...of.arc.map((port) => `tcp/${address}/${port}`),
    ]),
    `tcp/${of.neighbour}/${of.neighbourPort}`,
    `udp/${of.neighbour}/${of.neighbourPort}`,
    `icmp/${of.neighbour}`,
    ...METADATA,
    ...PRIVATE,
  ];
}
