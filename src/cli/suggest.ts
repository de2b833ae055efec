/** The known word nearest to what was typed, when it is near enough to be meant. */
export function nearest(typed: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(typed.length / 3)) + 1;
  for (const word of known) {
    const distance = word.startsWith(typed) && typed.length >= 2 ? 1 : editDistance(typed, word);
    if (distance < bestDistance) {
      best = word;
      bestDistance = distance;
    }
  }
  return best;
}

/** Longest word that is compared; anything longer is no slip of the fingers. */
const WORD_CHARS_MAX = 64;

/** Insertions, deletions, changes and swaps of neighbours. */
export function editDistance(from: string, to: string): number {
  if (from.length > WORD_CHARS_MAX || to.length > WORD_CHARS_MAX) return Number.POSITIVE_INFINITY;
  let before: number[] = [];
  let previous = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= to.length; j += 1) {
      const same = from[i - 1] === to[j - 1];
      let cost = Math.min((row[j - 1] ?? 0) + 1, (previous[j] ?? 0) + 1, (previous[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]) {
        cost = Math.min(cost, (before[j - 2] ?? 0) + 1);
      }
      row.push(cost);
    }
    before = previous;
    previous = row;
  }
  return previous[to.length] ?? 0;
}

export function suggestion(typed: string, known: Iterable<string>, before = ''): string {
  const near = nearest(typed, known);
  return near ? `Did you mean \`arc ${before}${near}\`?` : '`arc help` lists all commands.';
}
