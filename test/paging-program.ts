/* A hand-written program that builds and changes the page table of pages 0 and 1, for tests of translation. */
import type { MicroOp, Program } from "../src/dsl/program.js";
import type { SteppableMachine } from "../src/reference/state.js";
import { at, op, tinyProgram } from "./tiny-program.js";

export const PTE = {
  present: 1n,
  write: 2n,
  user: 4n,
  accessed: 1n << 5n,
  dirty: 1n << 6n,
  huge: 1n << 7n,
  global: 1n << 8n,
  noExecute: 1n << 63n,
} as const;
const POINTER = PTE.present | PTE.write | PTE.user;

/** A leaf entry for a user page. */
export function leaf(pfn: number, bits: bigint = PTE.write): bigint {
  return (BigInt(pfn) << 12n) | PTE.present | PTE.user | bits;
}

/** Global words of the program. */
export const ROOT = 0;
export const PTE_TABLE = 1;

/** r10 root, r11..r13 the tables below it; every entry of theirs that is used is number 0. */
const buildTables: MicroOp[] = [
  op("LI", { dst: 1, imm: 3 }),
  op("LI", { dst: 2, imm: 0 }),
  op("TALLOC", { dst: 10, b: 1, c: 2 }),
  op("LI", { dst: 1, imm: 2 }),
  op("TALLOC", { dst: 11, a: 10, b: 1, c: 2 }),
  op("LI", { dst: 1, imm: 1 }),
  op("TALLOC", { dst: 12, a: 10, b: 1, c: 2 }),
  op("LI", { dst: 1, imm: 0 }),
  op("TALLOC", { dst: 13, a: 10, b: 1, c: 2 }),
  ...link(10, 11),
  ...link(11, 12),
  ...link(12, 13),
  op("ST", { imm: at("global", ROOT), c: 10 }),
  op("ST", { imm: at("global", PTE_TABLE), c: 13 }),
  op("FENCE"),
];

/** Points entry 0 of the table in register `upper` to the table in `lower`. */
function link(upper: number, lower: number): MicroOp[] {
  return [
    op("SHL", { dst: 3, a: lower, imm: 12 }),
    op("OR", { dst: 3, a: 3, imm: POINTER }),
    op("PTE_ST", { a: upper, b: 2, c: 3 }),
  ];
}

const loadTable = op("LD", { dst: 10, imm: at("global", PTE_TABLE) });
const loadRoot = op("LD", { dst: 11, imm: at("global", ROOT) });

/** A spinlock and a rw-semaphore. */
const LOCK = at("global", 2);
const RWLOCK = at("global", 3);

/** Entries for tests; every one does what its name says, then ends. */
export const PAGING: Program = tinyProgram(
  { global: 4 },
  {
    build: { ops: buildTables },
    enter: { args: ["pcid", "noflush"], ops: [loadRoot, op("CR3", { a: 11, b: 0, c: 1 })] },
    leave: { args: ["pcid", "noflush"], ops: [op("CR3", { a: 47, b: 0, c: 1 })] },
    setPte: { args: ["index", "pte"], ops: [loadTable, op("PTE_XCHG", { a: 10, b: 0, c: 1 })] },
    setLarge: { args: ["table", "index", "pte"], ops: [op("PTE_XCHG", { a: 0, b: 1, c: 2 })] },
    setPlain: { args: ["index", "pte"], ops: [loadTable, op("PTE_ST", { a: 10, b: 0, c: 1 }), op("WORK")] },
    unhook: {
      ops: [op("LI", { dst: 1, imm: 0 }), op("LI", { dst: 2, imm: 3 }), op("PTE_XCHG", { a: 2, b: 1, c: 1 })],
    },
    freeTable: { ops: [loadTable, op("TFREE", { a: 10 })] },
    invlpg: { args: ["vpn"], ops: [op("INVLPG", { c: 0 })] },
    flushPcid: { args: ["pcid"], ops: [op("FLUSH_PCID", { c: 0 })] },
    flushAll: { ops: [op("FLUSH_ALL")] },
    invalidateEverywhere: {
      args: ["start", "end"],
      ops: [loadRoot, op("INVAL_EVERYWHERE", { a: 11, b: 0, c: 1 })],
    },
    allocate: { ops: [op("FALLOC", { dst: 1 })] },
    free: { args: ["pfn"], ops: [op("FFREE", { a: 0 })] },
    copy: { args: ["source", "target", "vpn"], ops: [loadRoot, op("FCOPY", { a: 0, b: 1, c: 2, d: 11 })] },
    promiseNone: { args: ["start", "end"], ops: [loadRoot, op("PROMISE", { a: 11, b: 0, c: 1, imm: 0 })] },
    promiseRead: { args: ["start", "end"], ops: [loadRoot, op("PROMISE", { a: 11, b: 0, c: 1, imm: 1 })] },
    promiseClean: { args: ["start", "end"], ops: [loadRoot, op("PROMISE", { a: 11, b: 0, c: 1, imm: 2 })] },
    judge: { args: ["pfn"], ops: [op("CLEAN", { a: 0 })] },
    record: { args: ["pfn"], ops: [op("DIRTY", { a: 0 })] },
    clean: {
      args: ["index"],
      ops: [loadTable, op("LI", { dst: 1, imm: ~PTE.dirty }), op("PTE_AND", { dst: 2, a: 10, b: 0, c: 1 })],
    },
    readThenStore: {
      args: ["index", "pte"],
      ops: [loadTable, op("PTE_LD", { dst: 2, a: 10, b: 0 }), op("PTE_ST", { a: 10, b: 0, c: 1 })],
    },
    readThenExchange: {
      args: ["index", "pte"],
      ops: [loadTable, op("PTE_LD", { dst: 2, a: 10, b: 0 }), op("PTE_XCHG", { dst: 3, a: 10, b: 0, c: 1 })],
    },
    allocateLeafTable: {
      ops: [
        loadRoot,
        op("LI", { dst: 1, imm: 0 }),
        op("LI", { dst: 2, imm: 0 }),
        op("TALLOC", { dst: 3, a: 11, b: 1, c: 2 }),
      ],
    },
    sleep: { ops: [op("SLEEP")] },
    sleepWithSpinlock: { ops: [op("LOCK", { imm: LOCK }), op("SLEEP"), op("UNLOCK", { imm: LOCK })] },
    sleepAfterSpinlock: { ops: [op("LOCK", { imm: LOCK }), op("UNLOCK", { imm: LOCK }), op("SLEEP")] },
    sleepWithoutIrqs: { ops: [op("IRQ_OFF"), op("SLEEP"), op("IRQ_ON")] },
    readLockUnderSpinlock: {
      ops: [
        op("TRYLOCK", { dst: 1, imm: LOCK }),
        op("RLOCK", { imm: RWLOCK }),
        op("RUNLOCK", { imm: RWLOCK }),
        op("UNLOCK", { imm: LOCK }),
      ],
    },
    spinlockUnderWriteLock: {
      ops: [
        op("WLOCK", { imm: RWLOCK }),
        op("LOCK", { imm: LOCK }),
        op("UNLOCK", { imm: LOCK }),
        op("TRYRLOCK", { dst: 1, imm: RWLOCK }),
        op("WUNLOCK", { imm: RWLOCK }),
      ],
    },
    interrupt: { args: ["target"], ops: [op("RAISE1", { c: 0 })] },
    zap: {
      args: ["index"],
      ops: [
        loadTable,
        op("LI", { dst: 1, imm: 0 }),
        op("PTE_XCHG", { dst: 2, a: 10, b: 0, c: 1 }),
        op("WORK"),
        loadRoot,
        op("ADD", { dst: 3, a: 0, imm: 1 }),
        op("PROMISE", { a: 11, b: 0, c: 3, imm: 0 }),
      ],
    },
    call_function_interrupt: { ops: [op("WORK"), op("SLEEP")] },
  },
);

/** Index in PAGING.sites of the `index`-th op of an entry. */
export function siteOf(entry: string, index: number): number {
  return PAGING.entries.find(({ name }) => name === entry)!.pc + index;
}

/** Runs an entry on one CPU alone. */
export function call(
  machine: SteppableMachine,
  cpu: number,
  entry: string,
  ...args: (number | bigint)[]
): void {
  machine.start(cpu, entry, args);
  while (machine.step(cpu) === "stepped");
}

/** A machine with `frames` frames allocated, the page table built, and every CPU in it with PCID 1. */
export function pagingMachine<M extends SteppableMachine>(machine: M, frames: number): M {
  call(machine, 0, "build");
  for (let frame = 0; frame < frames; frame++) call(machine, 0, "allocate");
  for (let cpu = 0; cpu < machine.config.cpus; cpu++) call(machine, cpu, "enter", 1, 0);
  return machine;
}
