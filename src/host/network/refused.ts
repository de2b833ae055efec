/**
 * Where no sandbox may connect to, whatever its network policy. The host's own addresses need no entry: what is addressed
 * to the host goes through the input rules, which refuse all of it. IPv6 is not given to sandboxes: all of it is dropped.
 */
export const REFUSED_V4 = [
  '0.0.0.0/8', // this network
  '10.0.0.0/8', // private
  '100.64.0.0/10', // carrier-grade NAT; holds the metadata service of one cloud (100.100.100.200)
  '127.0.0.0/8', // loopback
  '169.254.0.0/16', // link-local; the metadata service of most clouds
  '172.16.0.0/12', // private
  '192.0.0.0/24', // protocol assignments; metadata of another cloud (192.0.0.192)
  '192.0.2.0/24', // documentation
  '192.88.99.0/24', // 6to4 relays
  '192.168.0.0/16', // private
  '198.18.0.0/15', // benchmarks
  '198.51.100.0/24', // documentation
  '203.0.113.0/24', // documentation
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, broadcast
  '168.63.129.16/32', // a cloud's platform address that looks public
] as const;
