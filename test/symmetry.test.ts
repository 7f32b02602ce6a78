/** States that differ in the numbers of identical CPUs are taken for one, and nothing is lost by it. */
import { describe, expect, test } from "vitest";
import type { Case, SetupStep } from "../src/dsl/case.js";
import {
  assemble,
  type Builder,
  cpumask,
  type Expr,
  program,
  record,
  type U64,
  u64,
} from "../src/dsl/index.js";
import { type SearchResult, searchCase } from "../src/engine/search.js";
import { symmetryOf } from "../src/engine/symmetry.js";
import type { PlacedSymmetry } from "../src/engine/symmetry-tables.js";
import { broadcastFlush, flush_tlb_page } from "../src/kernel/tlb.js";
import { ANON_RW, type Flush, unmapPage } from "../src/scenario/pages.js";
import { call, stage } from "../src/scenario/stage.js";
import { randomSmallCase } from "./generate-case.js";
import { caseOf } from "./tiny-case.js";

type Spoil = (symmetry: PlacedSymmetry) => PlacedSymmetry;

const forgetMasks: Spoil = (symmetry) => ({ ...symmetry, masks: [] });
const neverTold: Spoil = (symmetry) => ({
  ...symmetry,
  ops: symmetry.ops.map((row) => row.map(() => false)),
  items: symmetry.items.map((row) => row.map(() => false)),
});

const whole: Flush = (k, mm, vpn) => broadcastFlush(k, mm, vpn, vpn.add(1));
const withoutWaiting: Flush = (k, mm, vpn) => {
  k.fence("dsb ishst", "mb");
  k.tlbi("tlbi vae1is", mm.root, vpn, vpn.add(1));
};

/** CPU 0 unmaps page 0 by `first` and then page 1 by `second`; CPUs 1 to 3, each with a task of its own, use both. */
function unmapTwo(first: Flush | undefined, second: Flush): Case {
  const users = [1, 2, 3];
  return stage({
    machine: { cpus: users.length + 1, model: "weak", storeBuffer: 2 },
    extra: (opt) => [
      unmapPage(opt, "first", first ?? ((k, mm, vpn) => flush_tlb_page(k, opt, mm, vpn))),
      unmapPage(opt, "second", second),
    ],
    setup: [
      ...users.flatMap(
        (cpu) =>
          [
            { do: "task", task: cpu, mm: 0 },
            { do: "switch", cpu, task: cpu },
          ] as const,
      ),
      { do: "call", cpu: 1, entry: "mmap", args: [0, 2, ANON_RW] },
      ...users.flatMap((cpu) => [0, 1].map((vpn) => ({ do: "touch", cpu, vpn, kind: 1 }) as const)),
    ],
    threads: [{ cpu: 0, does: [call("first", 0, 0), call("second", 0, 1)] }],
    liberties: users.flatMap((cpu) => [
      { cpu, may: "touch", vpn: 1, kind: 1 } as const,
      { cpu, may: "evict", vpn: 1 } as const,
    ]),
    windows: ["unmapped, not flushed"],
  });
}

/** What must not depend on the renaming. */
const kept = ({ verdict, complete, windows, violations, deadlocks }: SearchResult) => ({
  verdict,
  complete,
  windows: windows.map(({ name, entered }) => ({ name, entered: entered > 0 })),
  violates: violations > 0,
  isStuck: deadlocks > 0,
});

function both(one: Case, symmetry: boolean | Spoil = true): { full: SearchResult; renamed: SearchResult } {
  const options = { build: "debug", count: true } as const;
  return { full: searchCase(one, options), renamed: searchCase(one, { ...options, symmetry }) };
}

describe("one CPU unmaps what three identical ones use", () => {
  const safe = () => unmapTwo(whole, whole);
  const broken = () => unmapTwo(whole, withoutWaiting);

  test("by broadcasts: the same verdict from less than half of the states", () => {
    const { full, renamed } = both(safe());
    expect(full.verdict).toBe("safe");
    expect(kept(renamed)).toEqual(kept(full));
    expect(renamed.states).toBeLessThan(full.states / 2);
  });

  test("by broadcasts: nobody has to ask for it where no order can be left out", () => {
    const asked = searchCase(safe(), { symmetry: true });
    const unasked = searchCase(safe(), { reduce: true, fullStates: 100 });
    expect(unasked).toMatchObject({ verdict: "safe", states: asked.states });
    const never = searchCase(safe(), { reduce: true, fullStates: 100, symmetry: false });
    expect(never.states).toBeGreaterThan(asked.states);
  });

  test("by a broadcast that nobody waits for: what is broken stays broken, and is shown by a shortest way", () => {
    const { full, renamed } = both(broken());
    expect(full.verdict).toBe("unsafe");
    expect(kept(renamed)).toEqual(kept(full));
    expect(renamed.states).toBeLessThan(full.states / 2);
    const [plain, again] = [searchCase(broken()), searchCase(broken(), { symmetry: true })];
    expect(again).toMatchObject({ verdict: "unsafe", invariant: plain.invariant!, isShortest: true });
    expect(again.path).toEqual(plain.path);
  });

  test("by interrupts and then by a broadcast: they are one from the last loop over CPUs on", () => {
    const { full, renamed } = both(unmapTwo(undefined, whole));
    expect(full.verdict).toBe("safe");
    expect(kept(renamed)).toEqual(kept(full));
    expect(renamed.states).toBeLessThan(full.states);
  }, 60_000);

  test("a renaming that forgets the masks is noticed", () => {
    const { full, renamed } = both(safe(), forgetMasks);
    expect(kept(renamed)).not.toEqual(kept(full));
  });
});

const shared = record("global", { who: cpumask, drawn: u64, served: u64 });
const mm = record("mm", { pgd: u64, mm_users: u64 });
const task = record("task", { mm: u64 });
const own = record("cpu", { rank: u64 });
const glob = shared.at();

/** CPU 0 interrupts two others, which draw ranks, and then looks at the rank of the lower one. */
function ranks(look: (k: Builder) => void, serve: (k: Builder) => void = draw): Case {
  const ask = (k: Builder): void => {
    k.raise("send", glob.who);
    k.await("both", glob.served, "eq", 2);
    look(k);
    k.work("end");
  };
  const fill = (k: Builder): void => {
    for (const cpu of [1, 2]) k.maskSet(`${cpu}`, glob.who, cpu);
  };
  const sources = { ask, fill, call_function_interrupt: serve };
  const base = caseOf({ zero: () => {} });
  return {
    ...base,
    program: assemble({
      entries: Object.entries(sources).map(([name, body]) => program(name, [], body)),
      records: [shared, mm, task, own],
      cpus: 3,
      radixBits: 1,
    }),
    machine: { ...base.machine, cpus: 3 },
    setup: [{ do: "call", cpu: 0, entry: "fill", args: [] }],
    threads: [{ cpu: 0, does: [{ call: "ask", args: [] }] }],
    windows: ["the lower one was first", "the lower one was second"],
  };
}

function draw(k: Builder): void {
  const drawn = k.addReturn("draw", glob.drawn, 1);
  k.write("keep", own.at(k.cpu()).rank, drawn);
  k.add("done", glob.served, 1);
}

function judge(k: Builder, rank: Expr<U64>): void {
  k.if(
    rank.eq(1),
    () => k.window("the lower one was first"),
    () => k.window("the lower one was second"),
  );
}

const byLoop = (k: Builder): void => {
  const seen = k.var(0, "seen");
  k.forEachCpu("for_each_cpu", glob.who, (cpu) => {
    const rank = k.read("rank", own.at(cpu).rank);
    k.if(seen.get().eq(0), () => judge(k, rank));
    seen.set(1);
  });
};
const byNumber = (k: Builder): void => judge(k, k.read("rank", own.at(1).rank));

describe.each(Object.entries({ byLoop, byNumber }))("an order that a program sees %s", (_, look) => {
  test("keeps apart what it tells apart", () => {
    const { full, renamed } = both(ranks(look));
    expect(full.windows.every(({ entered }) => entered > 0)).toBe(true);
    expect(kept(renamed)).toEqual(kept(full));
  });

  test("is lost by a renaming that does not look ahead, which is noticed", () => {
    const { full, renamed } = both(ranks(look), neverTold);
    expect(kept(renamed)).not.toEqual(kept(full));
  });
});

describe("who is alike", () => {
  const members = (one: Case) => symmetryOf(one)?.members;

  test("CPUs without a thread that have the same liberties and are no devices", () => {
    const one = ranks(byLoop);
    expect(members(one)).toEqual([1, 2]);
    expect(members({ ...one, liberties: [{ cpu: 1, may: "touch", vpn: 0 }] })).toBeUndefined();
    expect(members({ ...one, devices: [2] })).toBeUndefined();
    const busy = { cpu: 2, does: [{ access: 0, vpn: 0 }] } as const;
    expect(members({ ...one, threads: [...one.threads, busy] })).toBeUndefined();
  });

  test("nobody, where the handler shows the number of its CPU to others or does arithmetic with it", () => {
    expect(members(ranks(byLoop, (k) => k.write("show", glob.served, k.cpu())))).toBeUndefined();
    const odd = (k: Builder) => k.if(k.cpu().eq(1), () => k.write("odd", glob.served, 2));
    expect(members(ranks(byLoop, odd))).toBeUndefined();
    const other = (k: Builder) => k.write("other", own.at(2).rank, 1);
    expect(members(ranks(byLoop, other))).toBeUndefined();
  });
});

/** A random case of three CPUs, of which only the first has a thread, and the others may do the same. */
function randomUsers(seed: number): Case | undefined {
  const one = randomSmallCase(seed);
  if (one.machine.cpus !== 3) return undefined;
  const twice = <T extends { readonly cpu: number }>(step: T): T[] =>
    step.cpu === 0 ? [step] : [1, 2].map((cpu) => ({ ...step, cpu }));
  return {
    ...one,
    threads: one.threads.filter(({ cpu }) => cpu === 0),
    liberties: one.liberties.flatMap(twice),
    setup: one.setup.flatMap((step): SetupStep[] => (step.do === "touch" ? twice(step) : [step])),
    windows: one.program.windows,
  };
}

/** Undefined for what the machine refuses, such as freeing a frame twice. */
function found(one: Case, symmetry: boolean): SearchResult | undefined {
  try {
    return searchCase(one, { count: true, states: 20_000, symmetry });
  } catch {
    return undefined;
  }
}

test("random cases with two identical users are judged alike, and many are smaller", () => {
  let [compared, smaller, broken] = [0, 0, 0];
  for (let seed = 0; seed < Number(process.env.SOAK ?? 1000); seed++) {
    const one = randomUsers(seed);
    const full = one && found(one, false);
    if (one === undefined || full === undefined || !full.complete) continue;
    const renamed = found(one, true)!;
    expect({ seed, ...kept(renamed) }).toEqual({ seed, ...kept(full) });
    compared++;
    if (renamed.states < full.states) smaller++;
    if (full.violations > 0) broken++;
  }
  expect(compared).toBeGreaterThan(150);
  expect(smaller).toBeGreaterThan(50);
  expect(broken).toBeGreaterThan(5);
}, 120_000);
