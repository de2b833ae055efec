/**
 * The slot that a host interface of this data folder belongs to: `arc`, the policy's letter, the folder's tag, five
 * digits. Undefined for every other interface, those of another Arc on this machine included.
 */
export function slotOfInterface(name: string, tag: string): number | undefined {
  const match = /^arc[np]([a-z2-7]{4})([0-9]{5})$/.exec(name);
  return match?.[1] === tag ? Number(match[2]) : undefined;
}
