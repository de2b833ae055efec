/** What is used of it here; the types that come with Node leave it to browsers' libraries. */
declare namespace WebAssembly {
  class Module {}
  class Instance {
    readonly exports: Record<string, unknown>;
  }
  class Memory {
    grow(pages: number): number;
  }
  type Imports = Record<string, unknown>;
  function compile(bytes: Uint8Array): Promise<Module>;
  let instantiate: (module: Module, imports?: Imports) => Promise<Instance>;
}
