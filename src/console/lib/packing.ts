/** How boxes of given weights fill a rectangle: rows whose boxes are as square as can be (a squarified treemap). Pure. */

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** @param weights above 0, the largest first. Gives a box for each, in order; together they fill the whole. */
export function pack(weights: readonly number[], whole: Box): readonly Box[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  if (total <= 0) return [];
  const scale = (whole.width * whole.height) / total;
  const areas = weights.map((weight) => weight * scale);
  const boxes: Box[] = [];
  let left = whole;
  for (let from = 0; from < areas.length; ) {
    const short = Math.min(left.width, left.height);
    let count = 1;
    while (from + count < areas.length && worst(areas, from, count + 1, short) <= worst(areas, from, count, short))
      count++;
    left = lay(areas.slice(from, from + count), left, boxes);
    from += count;
  }
  return boxes;
}

/** The most stretched box of a row of `count` along a side. */
function worst(areas: readonly number[], from: number, count: number, side: number): number {
  const row = areas.slice(from, from + count);
  const sum = row.reduce((all, area) => all + area, 0);
  const thick = sum / side;
  return Math.max(...row.map((area) => Math.max(thick / (area / thick), area / thick / thick)));
}

/** @returns what is left of the rectangle. */
function lay(row: readonly number[], left: Box, boxes: Box[]): Box {
  const sum = row.reduce((all, area) => all + area, 0);
  const upright = left.width >= left.height;
  const thick = sum / (upright ? left.height : left.width);
  let along = 0;
  for (const area of row) {
    const length = area / thick;
    boxes.push(
      upright
        ? { x: left.x, y: left.y + along, width: thick, height: length }
        : { x: left.x + along, y: left.y, width: length, height: thick },
    );
    along += length;
  }
  return upright
    ? { ...left, x: left.x + thick, width: Math.max(0, left.width - thick) }
    : { ...left, y: left.y + thick, height: Math.max(0, left.height - thick) };
}
