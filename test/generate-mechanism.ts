/*
 * Small mechanisms at random, in the shape of kernel code: page-table changes under a lock or not, flags, flushes here and by interrupt,
 * promises, frees. Most are wrong in some way, and some are right.
 */
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { enter, entry, LEAF_TABLE, PCID, populate, ROOT } from "../bench/spin/paging.js";
import type { Case, CaseMachine, Doing, Liberty } from "../src/dsl/case.js";
import {
  assemble,
  type Builder,
  cpuArray,
  type ProgramSource,
  program,
  pteAt,
  record,
  spinlock,
  u64,
} from "../src/dsl/index.js";

const PAGES = 2;
const shared = record("global", { flag: u64, ptl: spinlock("ptl"), other: spinlock("other") });
const cpu = record("cpu", { asked: cpuArray(u64) });

export type Random = (limit: number) => number;

export function randomFrom(seed: number): Random {
  const generator = xoroshiro128plus(seed);
  return (limit) => uniformInt(generator, 0, limit - 1);
}

/** The same seed gives the same case. */
export function randomMechanism(seed: number): Case {
  return new Generator(randomFrom(seed)).case();
}

class Generator {
  readonly #below: Random;
  readonly #cpus: number;
  readonly #canFree = new Set(Array.from({ length: PAGES }, (_, page) => page));
  #labels = 0;
  #isLocked = false;

  constructor(below: Random) {
    this.#below = below;
    this.#cpus = 2 + this.#below(2);
  }

  case(): Case {
    const threads = this.#below(4) === 0 ? 1 : 2;
    const machine: CaseMachine = {
      cpus: this.#cpus,
      mms: 1,
      tasks: 1,
      tables: 5,
      frames: PAGES + 1,
      radixBits: 1,
      model: this.#oneOf(["sc", "tso", "weak"]),
      storeBuffer: 1 + this.#below(2),
      assist: this.#oneOf(["strict", "legacy", "knl"]),
      tlb: { sets: 2, ways: 1 },
      walkCache: this.#below(2),
    };
    // What a program does is decided here, and written down when it is assembled.
    const sources = Array.from({ length: threads }, (_, on) => this.#programs(on));
    const users = Array.from({ length: this.#cpus }, (_, on) => on);
    return {
      program: assemble({
        entries: [populate(PAGES), enter(), pageFault(), handler(this.#cpus), ...sources.flat()],
        records: [shared, cpu],
        cpus: this.#cpus,
        radixBits: 1,
      }),
      machine,
      setup: [
        { do: "call", cpu: 0, entry: "populate", args: [] },
        ...users.map((on) => ({ do: "call" as const, cpu: on, entry: "enter", args: [] })),
        ...users.flatMap((on) =>
          this.#below(2) === 0
            ? [{ do: "touch" as const, cpu: on, vpn: this.#below(PAGES), kind: 0 as const }]
            : [],
        ),
      ],
      threads: sources.map((programs, on) => ({ cpu: on, does: this.#items(programs) })),
      liberties: this.#liberties(),
      windows: [],
    };
  }

  #oneOf<T>(list: readonly T[]): T {
    return list[this.#below(list.length)]!;
  }

  /** Mostly the page that the user touches. */
  #page(): number {
    return this.#below(4) === 0 ? 1 : 0;
  }

  #label(what: string): string {
    return `${what} ${this.#labels++}`;
  }

  /** One to three calls; a promise speaks for what calls before its own have done. */
  #programs(on: number): ProgramSource[] {
    return Array.from({ length: 1 + this.#below(3 - on) }, (_, at) => {
      const fragments = this.#fragments(2);
      return program(`thread${on} call${at}`, [], (k) => {
        for (const write of fragments) write(k);
      });
    });
  }

  #items(programs: readonly ProgramSource[]): Doing[] {
    const access = (): Doing => ({ access: this.#below(2) as 0 | 1, vpn: this.#page() });
    const calls: Doing[] = programs.map(({ name }) => ({ call: name, args: [] }));
    return this.#oneOf([() => calls, () => calls, () => [access(), ...calls], () => [...calls, access()]])();
  }

  #liberties(): Liberty[] {
    const user = this.#cpus - 1;
    const may = this.#oneOf(["touch", "touch", "fill", "evict"] as const);
    const touch: Liberty = { cpu: user, may: "touch", vpn: 0, kind: this.#below(2) as 0 | 1 };
    return this.#below(2) === 0 ? [touch] : [touch, { cpu: this.#below(this.#cpus), may, vpn: this.#page() }];
  }

  #fragments(most: number): ((k: Builder) => void)[] {
    const count = 1 + this.#below(most);
    return Array.from({ length: count }, () => this.#fragment());
  }

  #fragment(): (k: Builder) => void {
    const page = this.#page();
    const pte = pteAt(LEAF_TABLE, page, entry);
    const { flag } = shared.at();
    const label = (what: string) => this.#label(what);
    const choices: (() => (k: Builder) => void)[] = [
      () => (k) => void k.xchg(label("clear"), pte, entry.zero),
      () => (k) => k.write(label("clear plainly"), pte, entry.zero),
      () => (k) => {
        const old = k.read(label("read"), pte);
        k.write(label("protect plainly"), pte, old.with({ write: false }));
      },
      () => (k) => {
        const old = k.xchg(label("take out"), pte, entry.zero);
        k.write(label("put back, clean"), pte, old.with({ dirty: false }));
      },
      () => (k) => {
        k.xchg(label("clear"), pte, entry.zero);
        k.write(label("flag"), flag, 1);
      },
      () => this.#ifFlag(),
      () => (k) => k.invlpg(label("invlpg"), page),
      () => (k) => k.flushPcid(label("flush"), PCID),
      () => (k) => this.#shootdown(k),
      () => (k) => this.#shootdown(k),
      () => this.#clearAndFlush(page),
      () => this.#clearAndFlush(page),
      () => this.#promise(page),
      () => this.#promise(page),
      () => this.#promise(page),
      () => (k) => k.fence(label("fence"), "mb"),
      () => this.#locked(),
      () => this.#free(page),
    ];
    return this.#oneOf(choices)();
  }

  #promise(page: number): (k: Builder) => void {
    const rights = this.#oneOf(["none", "none", "read"] as const);
    return (k) => {
      // A promise is made behind the steps of its call.
      k.work(this.#label("promise"));
      k.promise(ROOT, page, page + 1, rights);
    };
  }

  #clearAndFlush(page: number): (k: Builder) => void {
    const keepsPromise = this.#below(3) > 0;
    return (k) => {
      k.xchg(this.#label("unmap"), pteAt(LEAF_TABLE, page, entry), entry.zero);
      this.#shootdown(k);
      if (keepsPromise) k.promise(ROOT, page, page + 1, "none");
    };
  }

  #ifFlag(): (k: Builder) => void {
    const inner = this.#fragments(1);
    const clears = this.#below(2) === 0;
    return (k) => {
      const { flag } = shared.at();
      k.if(k.read(this.#label("is it flagged"), flag).ne(0), () => {
        for (const write of inner) write(k);
        if (clears) k.write(this.#label("unflag"), flag, 0);
      });
    };
  }

  #locked(): (k: Builder) => void {
    if (this.#isLocked) return (k) => k.work("nothing");
    this.#isLocked = true;
    const inner = this.#fragments(2);
    this.#isLocked = false;
    const irqsOff = this.#below(4) === 0;
    const { ptl, other } = shared.at();
    const lock = this.#below(4) === 0 ? other : ptl;
    return (k) => {
      const body = () => {
        for (const write of inner) write(k);
      };
      k.inline(body, this.#label("locked"), [], () => {
        const critical = () => k.locked(lock as typeof ptl, body);
        if (irqsOff) k.irqsOff(critical);
        else critical();
      });
    };
  }

  /** Each frame at most once in all programs: to free a free one is a slip that no search is asked about. */
  #free(page: number): (k: Builder) => void {
    if (!this.#canFree.delete(page)) return (k) => k.work("nothing");
    return (k) => k.freeFrame(this.#label("free"), page + 1);
  }

  /** Asks all others to flush, and waits for their answers. */
  #shootdown(k: Builder): void {
    k.flushPcid(this.#label("flush here"), PCID);
    k.inline({}, this.#label("shootdown"), [], () => {
      for (let other = 0; other < this.#cpus; other++) {
        k.if(k.cpu().ne(other), () => {
          const asked = cpu.at(other).asked.at(k.cpu());
          k.write(`ask ${other}`, asked, 1);
          k.raiseOne(`interrupt ${other}`, other);
        });
      }
      for (let other = 0; other < this.#cpus; other++) {
        k.if(
          k.cpu().ne(other),
          () => void k.await(`answer of ${other}`, cpu.at(other).asked.at(k.cpu()), "eq", 0),
        );
      }
    });
  }
}

/** Gives up: what is not mapped, or may not be written, stays so. */
function pageFault(): ProgramSource {
  return program("page_fault", ["vpn", "error"], (k) => {
    k.work("fault");
    k.return(1);
  });
}

function handler(cpus: number): ProgramSource {
  return program("call_function_interrupt", [], (k) => {
    for (let asker = 0; asker < cpus; asker++) {
      const asked = cpu.at(k.cpu()).asked.at(asker);
      k.if(k.read(`does ${asker} ask`, asked).ne(0), () => {
        k.flushPcid(`flush for ${asker}`, PCID);
        k.write(`answer ${asker}`, asked, 0);
      });
    }
  });
}
