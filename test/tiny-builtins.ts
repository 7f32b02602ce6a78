/** Parameters with which each built-in workload takes milliseconds, and still shows what it is about. */
const loop = { iterations: "20", pages: "5", reads: "7", shared: "16" };

export const tinyBuiltins: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "munmap-loop": loop,
  "mprotect-loop": loop,
  "madvise-loop": loop,
  "mmap-serve": { requests: "60", files: "6", pages: "3", reads: "7", shared: "16" },
  "mmap-writer": { size: "40", rounds: "60", cleanings: "8", interval: "8000", reads: "3", shared: "16" },
  "gc-heap": { heap: "40", block: "7", cycles: "3", nursery: "5", rounds: "20", reads: "10" },
  "fork-cow": { data: "40", snapshots: "3", rounds: "60", requests: "5" },
  "file-scan": { size: "120", window: "16", passes: "2" },
  "idle-mix": { ...loop, beats: "6", pause: "20000" },
  "pending-storm": loop,
  "uffd-fill": loop,
};
