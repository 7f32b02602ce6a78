/** What accesses, faults and calls cost on the clock, as sums of the prices that are due and of no others. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Build } from "../src/engine/load.js";
import type { Structures } from "../src/engine/world.js";
import { type AccessKind, FETCH, LOAD, MODIFY, pageBytes, STORE } from "../src/workload/feed.js";
import { PTE } from "./paging-program.js";
import { anyPrices, oneSet, type Prices, TinyClock, transfer } from "./tiny-clock.js";
import { enterPages, entryOf, LEAF_TABLE, leafOf, mapPages, PAGES_OF_A_LINE } from "./tiny-pages.js";
import { at, op, tinyProgram } from "./tiny-program.js";

const levels = 4;
const ready = PTE.write | PTE.accessed | PTE.dirty;

const program = {
  ...tinyProgram(
    { global: 8 },
    {
      context_switch: { ops: [...enterPages] },
      call_function_interrupt: { ops: [] },
      /** Maps the page for good; page 63 can never be mapped. */
      page_fault: {
        ops: [
          op("EQ", { dst: 4, a: 0, imm: 63 }),
          op("BZ", { a: 4, imm: 3 }),
          op("END", { a: 4 }),
          op("ADD", { dst: 2, a: 0, imm: 1 }),
          op("SHL", { dst: 2, a: 2, imm: 12 }),
          op("OR", { dst: 2, a: 2, imm: PTE.present | PTE.user | ready }),
          op("LI", { dst: 3, imm: LEAF_TABLE }),
          op("PTE_ST", { a: 3, b: 0, c: 2 }),
        ],
      },
      write: { ops: [op("LI", { dst: 3, imm: LEAF_TABLE }), op("PTE_XCHG", { dst: 4, a: 3, b: 0, c: 1 })] },
      work: {
        ops: [op("WORK", { imm: 0 }), op("LD", { dst: 1, imm: at("global", 0) }), op("WORK", { imm: 1 })],
      },
      image: { ops: [op("WORK", { imm: 0 })] },
    },
  ),
  works: ["first", "second"],
};

interface Options {
  readonly prices: Prices;
  readonly structures?: Structures;
  readonly works?: readonly number[];
  readonly build?: Build;
}

function clockWith(options: Options, bits: readonly (bigint | undefined)[]): TinyClock {
  const clock = new TinyClock(program, { cpus: 2, ...options });
  mapPages(clock, bits);
  return clock;
}

/** Accesses to pages, in order. */
function run(clock: TinyClock, pages: readonly number[], kind: AccessKind): TinyClock {
  clock.task(0, 0, (sink) => pages.forEach((page) => sink.access(0, page * pageBytes, kind)));
  return clock.run();
}

const kinds = fc.constantFrom<AccessKind>(LOAD, STORE, FETCH, MODIFY);
const isStore = (kind: AccessKind): boolean => kind === STORE || kind === MODIFY;

describe("an access", () => {
  test("costs its price when the first level hits, and the second level's besides when that has to help", () => {
    const shape = fc.record({
      prices: anyPrices,
      ways: fc.constantFrom(1, 2, 4, 8),
      pages: fc.integer({ min: 1, max: PAGES_OF_A_LINE }),
      rounds: fc.integer({ min: 1, max: 20 }),
      kind: kinds,
      isClean: fc.boolean(),
    });
    fc.assert(
      fc.property(shape, ({ prices, ways, pages, rounds, kind, isClean }) => {
        const bits = isClean ? PTE.write | PTE.accessed : ready;
        const clock = clockWith({ prices, structures: oneSet(ways, 16) }, Array(pages).fill(bits));
        const order = Array.from({ length: pages * rounds }, (_, index) => index % pages);
        run(clock, order, kind);
        // One page more than ways, used in turn, and the first level has always just dropped the one that is wanted.
        const second = pages > ways ? pages * (rounds - 1) : 0;
        const assists = isStore(kind) && isClean ? pages : 0;
        expect(clock.cycles(0)).toMatchObject({
          USER: order.length * prices.access + second * prices.stlbHit + assists * prices.assist,
          WALK: levels * prices.memL3 + (pages - 1) * prices.memL2,
          IRQ: 0,
        });
        expect(clock.tally(0, "TLB_STLB_HITS")).toBe(second);
        expect(clock.tally(0, "TLB_L1_HITS")).toBe(order.length - pages - second);
      }),
      { seed: 20260812, numRuns: 80 },
    );
  });

  test("pays the assist for A in its walk and the one for D beside it, once", () => {
    const shape = fc.record({
      prices: anyPrices,
      accessed: fc.boolean(),
      dirty: fc.boolean(),
      kind: kinds,
      times: fc.integer({ min: 1, max: 5 }),
    });
    fc.assert(
      fc.property(shape, ({ prices, accessed, dirty, kind, times }) => {
        const bits = PTE.write | (accessed ? PTE.accessed : 0n) | (dirty ? PTE.dirty : 0n);
        const clock = clockWith({ prices }, [bits]);
        run(clock, Array(times).fill(0), kind);
        const becomesDirty = isStore(kind) && !dirty;
        expect(clock.cycles(0)).toMatchObject({
          USER: times * prices.access + (becomesDirty ? prices.assist : 0),
          WALK: levels * prices.memL3 + (accessed ? 0 : prices.assist),
        });
        expect(leafOf(clock, 0)).toBe(entryOf(0, bits | PTE.accessed | (becomesDirty ? PTE.dirty : 0n)));
      }),
      { seed: 20260813, numRuns: 40 },
    );
  });

  test("pays a transfer for the line of an entry that another CPU wrote, and the second level's price for its own", () => {
    fc.assert(
      fc.property(anyPrices, fc.integer({ min: 1, max: 15 }), (prices, cpu) => {
        const clock = clockWith({ prices, ...{ cpus: 16 } }, Array(2).fill(ready));
        const writer = 0;
        clock.task(writer, 0, (sink) => {
          sink.call(writer, "write", [0, entryOf(0, ready)]);
          sink.access(writer, 0, LOAD);
        });
        clock.task(cpu, 0, (sink) => {
          sink.compute(cpu, 20_000);
          for (const page of [0, 1]) sink.access(cpu, page * pageBytes, LOAD);
        });
        clock.run();
        const upper = (levels - 1) * prices.memL3;
        expect(clock.cycles(writer).WALK).toBe(upper + prices.memL2);
        expect(clock.cycles(cpu).WALK).toBe(upper + transfer(prices, cpu, writer) + prices.memL2);
      }),
      { seed: 20260814, numRuns: 40 },
    );
  });

  test("never costs anything but these prices, whatever two CPUs do", () => {
    const pages = 24;
    const accesses = fc.array(fc.tuple(fc.nat({ max: pages - 1 }), kinds), { maxLength: 120 });
    const shape = fc.record({
      prices: anyPrices,
      l1: fc.constantFrom(1, 2, 4),
      l2: fc.constantFrom(4, 6, 8),
      bits: fc.array(fc.constantFrom(ready, PTE.write, PTE.write | PTE.accessed), {
        minLength: pages,
        maxLength: pages,
      }),
      work: fc.tuple(accesses, accesses),
    });
    fc.assert(
      fc.property(shape, ({ prices: chosen, l1, l2, bits, work }) => {
        const read = chosen.memL2;
        // Every line costs the same, so that the reads of walks are all that has to be counted.
        const lines = { memL3: read, lineSmt: read, lineCcx: read, lineSocket: read, lineRemote: read };
        const prices = { ...chosen, ...lines };
        const [debug, release] = (["debug", "release"] as const).map((build) => {
          const clock = clockWith({ prices, structures: oneSet(l1, l2), build }, bits);
          work.forEach((list, cpu) => {
            clock.task(cpu, 100 * cpu, (sink) =>
              list.forEach(([page, kind]) => sink.access(cpu, page * pageBytes, kind)),
            );
          });
          return clock.run();
        }) as [TinyClock, TinyClock];
        work.forEach((list, cpu) => {
          const count = (name: string): number => release.tally(cpu, name);
          const { USER, WALK } = release.cycles(cpu);
          expect(count("TLB_L1_HITS") + count("TLB_STLB_HITS") + count("TLB_WALKS")).toBe(list.length);
          expect(count("TLB_ACCESSES")).toBe(list.length);
          expect(WALK).toBe(count("TLB_WALK_CYCLES"));
          expect(USER + WALK).toBe(
            list.length * prices.access +
              count("TLB_STLB_HITS") * prices.stlbHit +
              count("TLB_WALK_READS") * read +
              count("TLB_ASSISTS") * prices.assist,
          );
          expect(debug.cycles(cpu)).toEqual(release.cycles(cpu));
        });
      }),
      { seed: 20260815, numRuns: 60 },
    );
  });
});

describe("a fault", () => {
  /** Into the kernel, one store to the page table, and back. */
  const handling = (prices: Prices): number =>
    prices.faultEntry + prices.memL1 + prices.store + prices.faultExit;
  /** Two switches: to the task, and away from it. */
  const switching = (prices: Prices): number => 2 * (prices.contextSwitch + prices.cr3NoFlush);

  test("costs its entry, its steps and its exit, and the access is tried again", () => {
    fc.assert(
      fc.property(anyPrices, kinds, (prices, kind) => {
        const clock = clockWith({ prices }, [undefined]);
        run(clock, [0], kind);
        expect(clock.latencies("page_fault")).toEqual([handling(prices)]);
        expect(clock.cycles(0)).toMatchObject({
          USER: 2 * prices.access,
          // The fault dropped the way to the page, but not the lines.
          WALK: levels * prices.memL3 + levels * prices.memL2,
          KERNEL: handling(prices) + switching(prices),
        });
        expect(clock.tally(0, "TLB_FAULTS")).toBe(1);
      }),
      { seed: 20260816, numRuns: 20 },
    );
  });

  test("on a translation that forbids the access costs no walk before it", () => {
    fc.assert(
      fc.property(anyPrices, (prices) => {
        const clock = clockWith({ prices }, [PTE.accessed]);
        clock.task(0, 0, (sink) => [LOAD, STORE].forEach((kind) => sink.access(0, 0, kind as AccessKind)));
        clock.run();
        expect(clock.cycles(0)).toMatchObject({
          USER: 3 * prices.access,
          WALK: levels * prices.memL3 + levels * prices.memL2,
          KERNEL: handling(prices) + switching(prices),
        });
        expect(clock.tally(0, "TLB_L1_HITS")).toBe(1);
      }),
      { seed: 20260817, numRuns: 20 },
    );
  });

  test("that cannot be settled ends the access", () => {
    fc.assert(
      fc.property(anyPrices, (prices) => {
        const clock = clockWith({ prices }, [ready]);
        run(clock, [63, 0], LOAD);
        expect(clock.tally(0, "SKIPPED_ACCESSES")).toBe(1);
        expect(clock.latencies("page_fault")).toEqual([prices.faultEntry + prices.faultExit]);
        expect(clock.cycles(0).USER).toBe(2 * prices.access);
      }),
      { seed: 20260818, numRuns: 20 },
    );
  });
});

describe("the kernel", () => {
  const works = fc.tuple(fc.nat({ max: 5000 }), fc.nat({ max: 5000 }));

  test("a call costs its entry, its steps and its exit; what stands for the loader costs its steps", () => {
    fc.assert(
      fc.property(anyPrices, works, (prices, [first, second]) => {
        const clock = clockWith({ prices, works: [first, second] }, []);
        clock.task(0, 0, (sink) => ["work", "image", "work"].forEach((entry) => sink.call(0, entry, [])));
        clock.run();
        const around = prices.syscallEntry + prices.syscallExit;
        expect(clock.latencies("work")).toEqual([
          around + first + prices.memL3 + second,
          around + first + prices.memL1 + second,
        ]);
        expect(clock.latencies("image")).toEqual([first]);
      }),
      { seed: 20260819, numRuns: 20 },
    );
  });

  test("tasks of one CPU take turns of a slice each, and a switch costs its price and its steps", () => {
    const sizes = fc.record({
      prices: anyPrices,
      work: fc.nat({ max: 20_000 }),
      slice: fc.integer({ min: 500, max: 5000 }),
    });
    fc.assert(
      fc.property(sizes, ({ prices, work, slice }) => {
        const clock = new TinyClock(program, { prices, cpus: 1, size: { tasks: 2, slice } });
        for (const task of [0, 1]) clock.task(task, 0, (sink) => sink.compute(task, work));
        clock.run();
        const switches = clock.tally(0, "CONTEXT_SWITCHES");
        const toSwitch = prices.contextSwitch + prices.cr3NoFlush;
        expect(clock.latencies("context_switch")).toEqual(Array(switches).fill(toSwitch));
        expect(clock.cycles(0)).toMatchObject({
          USER: 2 * work,
          KERNEL: switches * toSwitch,
          IDLE: prices.idleWake,
        });
        // That a slice is over is seen at the end of a quantum; the last switch is the one to idle.
        expect(switches).toBeGreaterThanOrEqual(
          2 * Math.floor(work / (slice + clock.world.size.quantum)) + 1,
        );
        expect(switches).toBeLessThanOrEqual(2 * Math.ceil(work / slice) + 3);
      }),
      { seed: 20260820, numRuns: 40 },
    );
  });
});
