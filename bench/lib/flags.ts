/** A flag of the bench's own command line, `--name NUMBER`. */
export function numberOf(flag: string, fallback: number): number {
  const at = process.argv.indexOf(flag);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
}
