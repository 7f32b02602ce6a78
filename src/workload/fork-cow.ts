import { builtin } from "./builtin.js";
import { LOAD, STORE } from "./feed.js";
import { anonymous, groups, parameter, threads, threadsParameter } from "./loop.js";
import { compute, repeat, sweep, useStack, visit } from "./steps.js";

/** Keys are asked for about so (YCSB's default). */
const popularity = { kind: "zipf", s: 0.99 } as const;

export const forkCow = builtin({
  name: "fork-cow",
  about: "a database in memory that forks for each snapshot: the child reads it, the parent goes on writing",
  standsFor:
    "Redis when it saves (BGSAVE) or rewrites its log, and other programs that let fork freeze their memory. The fork takes the " +
    "write permission of every private page away and flushes it everywhere, so it interrupts all threads of the parent. Until " +
    "the child has read everything and ended, the first write to each page is a fault with a copy and a flush of its own, and " +
    "popular keys pay first. A flush that is missing lets a thread write into the child's snapshot.",
  parameters: [
    parameter("data", "pages", 2048, [1, 262_144], "what the snapshot is of"),
    parameter("snapshots", "count", 5, [0, 500], "forks, one after the other"),
    parameter("rounds", "count", 400, [1, 1_000_000_000], "rounds of each thread that serves"),
    parameter("requests", "count", 16, [0, 1_000_000], "accesses to the data in a round"),
    parameter("writes", "percent", 50, [0, 100], "those that are stores"),
    threadsParameter,
    parameter("compute", "cycles", 2000, [0, 1_000_000_000], "computing each round, on average"),
  ],
  plan(values, cpus) {
    const { data, snapshots, rounds, requests, writes } = values;
    const serve = [useStack, visit("data", popularity, requests, writes / 100), compute(values.compute)];
    const save = [...serve, { do: "fork", group: "saver" }, { do: "join" }] as const;
    return {
      regions: { data: anonymous(data, "process") },
      groups: [
        ...groups(
          threads("main", 1, [sweep("data", STORE), repeat(snapshots, ...save)]),
          threads("server", values.threads - 1, [repeat(rounds, ...serve)]),
        ),
        // Where nobody serves, or else where the first thread waits for it.
        {
          ...threads("saver", 1, [useStack, sweep("data", LOAD)]),
          ...{ start: "fork", cpu: values.threads % cpus },
        },
      ],
    };
  },
});
