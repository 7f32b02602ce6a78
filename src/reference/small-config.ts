import type { MachineConfig } from "./state.js";

/** A machine with every kind of array in tiny sizes, as a starting point for tests: 2 CPUs, 16 pages of 4 levels of 1 bit. */
export const SMALL_CONFIG: MachineConfig = {
  cpus: 2,
  mms: 2,
  tasks: 4,
  tables: 24,
  frames: 16,
  radixBits: 1,
  model: "tso",
  storeBuffer: 8,
  assist: "strict",
  geometry: {
    l1d4k: { sets: 2, ways: 2 },
    l1d2m: { sets: 1, ways: 2 },
    l1d1g: { sets: 1, ways: 1 },
    l1i4k: { sets: 2, ways: 1 },
    l1i2m: { sets: 1, ways: 1 },
    stlb4k: { sets: 2, ways: 3 },
    stlb1g: { sets: 1, ways: 1 },
  },
  pwc: { pde: { sets: 1, ways: 2 }, pdpte: { sets: 1, ways: 2 }, pml4e: { sets: 1, ways: 1 } },
  serves: {
    data: ["l1d4k", "l1d2m", "l1d1g"],
    fetch: ["l1i4k", "l1i2m", "l1i2m"],
    second: ["stlb4k", "stlb4k", "stlb1g"],
  },
};
