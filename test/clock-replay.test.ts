/**
 * The clock is one scheduler among many: what it chooses, event by event, a machine without time can choose too, and ends up in the same
 * state. So what is proved about every order of events holds for what the clock measures.
 */
import { isDeepStrictEqual } from "node:util";
import { expect, test } from "vitest";
import type { Program } from "../src/dsl/program.js";
import { readState } from "../src/engine/dump.js";
import { EngineMachine } from "../src/engine/machine.js";
import { kernelProgram } from "../src/kernel/program.js";
import { priceNames } from "../src/machine/preset.js";
import { resolveSlots } from "../src/policy/policies.js";
import { ReferenceMachine } from "../src/reference/machine.js";
import type { SteppableMachine } from "../src/reference/state.js";
import { LOAD, pageBytes, STORE } from "../src/workload/feed.js";
import { PROT_READ, PROT_WRITE, privateWord } from "../src/workload/vma-word.js";
import { configLike, follow, PWCS, TLBS, withoutAges } from "./clock-replay.js";
import { oneSet, type Prices, TinyClock } from "./tiny-clock.js";

const CPUS = 3;
const RADIX_BITS = 3;
const [L1, L2] = [8, 16];
const TASKS = 6;
const PAGES = 6;
const readWrite = privateWord(PROT_READ | PROT_WRITE);
const prices = Object.fromEntries(priceNames.map((name, at) => [name, 100 + 7 * at])) as Prices;

/** Three threads of one process, and one of another on the last CPU; nobody exits, so that something is left to compare. */
function workload(clock: TinyClock, seed: number): void {
  let state = seed;
  const below = (limit: number): number => {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    return Math.floor((state / 2 ** 31) * limit);
  };
  const tasks = [0, 1, 2, 5];
  const spaces = [0, 0, 0, 1];
  tasks.forEach((task, at) => clock.sink.thread(task, spaces[at]!));
  tasks.forEach((task, at) => {
    clock.task(task, 50 * at, (sink) => {
      const mapped = (first: number) => sink.call(task, "mmap", [first, first + PAGES, readWrite]);
      if (task === 0) mapped(0);
      if (task === 5) mapped(8);
      // The others find their pages only when they are mapped: before, their accesses are given up.
      for (let round = 0; round < 25; round++) {
        const base = spaces[at] === 0 ? 0 : 8;
        for (let use = below(12); use > 0; use--) {
          sink.access(task, (base + below(PAGES)) * pageBytes, below(2) === 0 ? LOAD : STORE);
          sink.compute(task, 10 + below(200));
        }
        const first = base + below(PAGES);
        const action = below(5);
        if (action === 0) sink.call(task, "mprotect", [first, first + 1, below(2) === 0 ? 1 : 3]);
        else if (action === 1) sink.call(task, "madvise", [first, first + 1 + below(2), 4]);
        else if (action === 2) {
          sink.call(task, "munmap", [first, first + 1]);
          sink.call(task, "mmap", [first, first + 1, readWrite]);
        }
      }
    });
  });
}

const programs = new Map<string, Program>();
function programOf(policy: string): Program {
  const program =
    programs.get(policy) ?? kernelProgram(resolveSlots(policy, {}), { cpus: CPUS, radixBits: RADIX_BITS });
  programs.set(policy, program);
  return program;
}

const machines: readonly (readonly [string, typeof EngineMachine | typeof ReferenceMachine])[] = [
  ["engine", EngineMachine],
  ["twin", ReferenceMachine],
];
const cases = ["deferred", "eager", "coherent"].flatMap((policy) =>
  [1, 2].flatMap((seed) => machines.map(([name, make]) => ({ policy, seed, name, make }))),
);

test.each(cases)(
  "the clock's order under $policy, seed $seed, leads the $name to its states",
  ({ policy, seed, make }) => {
    const program = programOf(policy);
    const size = { mms: 2, tasks: TASKS, tables: 64, frames: 64, radixBits: RADIX_BITS, storeBuffer: 4 };
    const clock = new TinyClock(program, {
      prices,
      cpus: CPUS,
      works: program.works.map((_, at) => 20 + at),
      structures: oneSet(L1, L2),
      size,
      build: "debug",
    });
    const machine: SteppableMachine = new make(program, configLike(clock, L1, L2));
    const events = follow(clock, machine);
    workload(clock, seed);
    // Words that were set before the first event: whose threads there are.
    const words = (record: "task" | "mm", count: number) => {
      for (let index = 0; index < count; index++) {
        for (let word = 0; word < program.layout.words[record]; word++) {
          machine.poke(record, index, word, clock.word(record, index, word));
        }
      }
    };
    words("task", TASKS);
    words("mm", 2);
    const compare = (quantum: number) => {
      const [timed, untimed] = [readState(clock.world, TLBS, PWCS), machine.state()].map(withoutAges);
      // The test's own comparison is slow, and tells what differs.
      if (!isDeepStrictEqual(untimed, timed)) expect(untimed, `after quantum ${quantum}`).toEqual(timed);
    };
    const { functions } = clock.world;
    const done = clock.world.value("RUN_DONE");
    let quantum = 0;
    for (; functions.run(1) !== done; quantum++) if (quantum % 16 === 0) compare(quantum);
    compare(quantum);
    expect(events.step).toBeGreaterThan(2000);
    expect(events.deliver).toBeGreaterThan(policy === "coherent" ? -1 : 10);
    expect(events.drain).toBeGreaterThan(100);
  },
);
