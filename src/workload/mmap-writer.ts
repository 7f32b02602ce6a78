import { builtin } from "./builtin.js";
import {
  anonymous,
  fewer,
  fewerAbove,
  groups,
  parameter,
  readWrite,
  threads,
  threadsParameter,
  workParameters,
} from "./loop.js";
import type { Step } from "./plan.js";
import { call, compute, repeat, uniform, useStack, visit } from "./steps.js";

/** What is done once in a while, by the value of `clean`. */
const cleaners: readonly Step[] = [call("msync", "database"), { do: "call", entry: "clear_refs", args: [] }];

export const mmapWriter = builtin({
  name: "mmap-writer",
  about: "random writes to a shared mapping of a file, which is cleaned and write-protected again and again",
  standsFor:
    "Databases that keep their pages in a mapping (LMDB with MDB_WRITEMAP, older MongoDB, RavenDB) and flush them with msync, " +
    "and whoever checkpoints a running program by soft-dirty bits (CRIU). Cleaning a page takes its write permission and its " +
    "dirty bit away, and that has to reach every CPU before the page may be written out: a write by a translation that was " +
    "missed would be lost. msync flushes for each dirty page by itself; clear_refs flushes once for all of them.",
  parameters: [
    parameter("size", "pages", 512, [1, 262_144], "pages of the file"),
    parameter("rounds", "count", 300, [1, 1_000_000_000], "rounds of each writer"),
    parameter("writes", "count", 8, [0, 1_000_000], "stores to random pages of the file, each round"),
    {
      ...parameter("cleanings", "count", 20, [0, 1_000_000], `how often thread 0 cleans the file${fewer}`),
      fewerAbove,
    },
    parameter("interval", "cycles", 50_000, [1, 1_000_000_000], "time between two of them, on average"),
    parameter(
      "clean",
      "count",
      0,
      [0, 1],
      "how: 0 msync, 1 clear_refs, which is about all of the process's memory",
    ),
    threadsParameter,
    ...workParameters,
  ],
  plan(values) {
    const { size, rounds, writes, cleanings, interval, clean } = values;
    const write = [
      useStack,
      visit("database", uniform, writes, 1),
      visit("shared", uniform, values.reads),
      compute(values.compute),
    ];
    return {
      regions: {
        shared: anonymous(values.shared, "process"),
        database: { pages: size, of: "process", rights: readWrite, shared: true, file: "database" },
      },
      groups: groups(
        threads("flusher", 1, [repeat(cleanings, compute(interval), cleaners[clean]!)]),
        threads("writer", values.threads - 1, [repeat(rounds, ...write)]),
      ),
    };
  },
});
