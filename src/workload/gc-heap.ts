import { builtin } from "./builtin.js";
import { LOAD, STORE } from "./feed.js";
import {
  anonymous,
  fewer,
  fewerAbove,
  groups,
  parameter,
  readWrite,
  threads,
  threadsParameter,
} from "./loop.js";
import { call, compute, MADV_DONTNEED, parts, repeat, sometimes, sweep, useStack, visit } from "./steps.js";
import type { StreamSpec } from "./stream.js";
import { PROT_READ } from "./vma-word.js";

/** Most objects die young, and few of the old ones are looked at: a tenth of the heap gets nine tenths of the accesses. */
const skewed: StreamSpec = { kind: "hot-cold", hot: 0.1, often: 0.9 };

export const gcHeap = builtin({
  name: "gc-heap",
  about: "a collector that protects and releases memory while the program runs",
  standsFor:
    "Garbage collectors that use the MMU: Boehm's collector with its write barrier by mprotect, ART's userfaultfd collector, " +
    "and all that give memory back, as the JVM and Go do. Mutators read old objects, most often a few of them, fill a nursery " +
    "of their own and give it back when it is full. A collector goes through the old objects block by block, takes the write " +
    "permission away, reads the block and lets it be written again; what holds only garbage it releases. Its calls interrupt " +
    "the mutators, and what it released they have to fault in anew.",
  parameters: [
    parameter("heap", "pages", 1024, [1, 262_144], "old objects, which all threads share"),
    parameter("block", "pages", 32, [1, 262_144], "what the collector takes at a time"),
    parameter("garbage", "percent", 25, [0, 100], "blocks that it releases"),
    parameter("cycles", "count", 4, [0, 1_000_000], "times that it goes through the heap"),
    parameter("nursery", "pages", 32, [1, 65_536], "where each mutator allocates"),
    {
      ...parameter("rounds", "count", 100, [1, 1_000_000_000], `nurseries that each mutator fills${fewer}`),
      fewerAbove,
    },
    threadsParameter,
    parameter("reads", "count", 128, [0, 1_000_000], "loads from old objects, each round"),
    parameter("compute", "cycles", 2000, [0, 1_000_000_000], "computing of a mutator each round, on average"),
  ],
  plan(values) {
    const { heap, block, garbage, nursery, rounds, reads } = values;
    const collect = parts("block", "heap", block, [
      call("mprotect", "block", PROT_READ),
      sweep("block", LOAD),
      call("mprotect", "block", readWrite),
      sometimes(garbage / 100, call("madvise", "block", MADV_DONTNEED)),
    ]);
    const mutate = [
      useStack,
      sweep("nursery", STORE),
      visit("heap", skewed, reads),
      compute(values.compute),
      call("madvise", "nursery", MADV_DONTNEED),
    ];
    return {
      regions: { heap: anonymous(heap, "process"), nursery: anonymous(nursery, "thread") },
      groups: groups(
        threads("collector", 1, [sweep("heap", STORE), repeat(values.cycles, collect)]),
        threads("mutator", values.threads - 1, [repeat(rounds, ...mutate)]),
      ),
    };
  },
});
