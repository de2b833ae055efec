/** A command module of WASI, put together by hand: prints a text, and ends with a code. */
export function helloModule(text: string, exitCode: number): Buffer {
  const data = Buffer.from(text);
  const name = (one: string) => [one.length, ...Buffer.from(one)];
  const section = (id: number, bytes: readonly number[]) => [id, ...length(bytes.length), ...bytes];
  const imported = (field: string, type: number) => [...name('wasi_snapshot_preview1'), ...name(field), 0, type];
  const i32 = (value: number) => [0x41, ...signed(value)];
  const store = (at: number, value: number) => [...i32(at), ...i32(value), 0x36, 2, 0];
  const body = [
    ...[0, ...store(0, 16), ...store(4, data.length)],
    ...[...i32(1), ...i32(0), ...i32(1), ...i32(8), 0x10, 0, 0x1a],
    ...[...i32(exitCode), 0x10, 1, 0x0b],
  ];
  return Buffer.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [3, 0x60, 4, 0x7f, 0x7f, 0x7f, 0x7f, 1, 0x7f, 0x60, 1, 0x7f, 0, 0x60, 0, 0]),
    ...section(2, [2, ...imported('fd_write', 0), ...imported('proc_exit', 1)]),
    ...section(3, [1, 2]),
    ...section(5, [1, 0, 1]),
    ...section(7, [2, ...name('memory'), 2, 0, ...name('_start'), 0, 2]),
    ...section(10, [1, ...length(body.length), ...body]),
    ...section(11, [1, 0, ...i32(16), 0x0b, ...length(data.length), ...data]),
  ]);
}

function length(value: number): readonly number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...length(value >> 7)];
}

/** Signed, and so one bit shorter a byte. */
function signed(value: number): readonly number[] {
  return value < 64 ? [value] : [(value & 127) | 128, ...signed(value >> 7)];
}
