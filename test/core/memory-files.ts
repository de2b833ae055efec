import type { EngineFiles, Target } from '../../src/engines/engine.ts';

/** Takes what is written into sandboxes, as `ID:PATH`. */
export function memoryFiles(written: Map<string, string>): EngineFiles {
  return {
    open: async ({ id }: Target) => ({
      mkdir: async () => true,
      write: async (path: string, content: AsyncIterable<Uint8Array>) => {
        for await (const chunk of content) written.set(`${id}:${path}`, Buffer.from(chunk).toString());
      },
      [Symbol.asyncDispose]: async () => {},
    }),
  } as unknown as EngineFiles;
}
