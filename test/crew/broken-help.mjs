/** Preloaded into all threads of a process: an engine that never helps, but throws. For test/crew.test.ts. */
const { Instance } = WebAssembly;
WebAssembly.Instance = class {
  constructor(module, imports) {
    const { exports } = new Instance(module, imports);
    this.exports = {
      ...exports,
      help() {
        throw new Error("out of breath");
      },
    };
  }
};
