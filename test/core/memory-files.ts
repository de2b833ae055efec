import type { EngineFiles, Target } from '../../src/engines/engine.ts';

/** Takes what is written into sandboxes, as `ID:PATH`. */
export function memoryFiles(written: Map<string, string>, modes = new Map<string, number>()): EngineFiles {
  return {
    open: async ({ id }: Target) => ({
      mkdir: async () => true,
      write: async (path: string, content: AsyncIterable<Uint8Array>, mode: number) => {
        for await (const chunk of content) written.set(`${id}:${path}`, Buffer.from(chunk).toString());
        modes.set(`${id}:${path}`, mode);
      },
      [Symbol.asyncDispose]: async () => {},
    }),
  } as unknown as EngineFiles;
}
