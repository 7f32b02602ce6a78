/**
 * One CPU waits, with a lock held, until another one has flushed; that one waits for the lock, with interrupts off or on.
 * The same steps as irq-off.pml. CPU 0 holds, CPU 1 takes.
 */
import type { Case } from "../../src/dsl/case.js";
import { assemble, program, pteAt, record, spinlock, u64 } from "../../src/dsl/index.js";
import { enter, entry, LEAF_TABLE, PCID, populate } from "./paging.js";

const shared = record("global", { asked: u64, ptl: spinlock("ptl") });

export function irqOffCase(interrupts: "off" | "on"): Case {
  const holder = program("holder", [], (k) => {
    const { asked, ptl } = shared.at();
    k.locked(ptl, () => {
      k.xchg("clear", pteAt(LEAF_TABLE, 0, entry), entry.zero);
      k.write("ask", asked, 1);
      k.raiseOne("interrupt", 1);
      k.await("answer", asked, "eq", 0);
    });
  });
  const taker = program("taker", [], (k) => {
    const take = () => k.locked(shared.at().ptl, () => {});
    if (interrupts === "off") k.irqsOff(take);
    else take();
  });
  const handler = program("call_function_interrupt", [], (k) => {
    k.flushPcid("forget", PCID);
    k.write("answer", shared.at().asked, 0);
  });
  return {
    program: assemble({
      entries: [populate(1), enter(), holder, taker, handler],
      records: [shared],
      cpus: 2,
      radixBits: 1,
    }),
    machine: {
      cpus: 2,
      mms: 1,
      tasks: 1,
      tables: 5,
      frames: 2,
      radixBits: 1,
      model: "sc",
      storeBuffer: 1,
      assist: "strict",
      tlb: { sets: 1, ways: 1 },
      walkCache: 0,
    },
    setup: [
      { do: "call", cpu: 0, entry: "populate", args: [] },
      { do: "call", cpu: 1, entry: "enter", args: [] },
      { do: "touch", cpu: 1, vpn: 0, kind: 0 },
    ],
    threads: [
      { cpu: 0, does: [{ call: "holder", args: [] }] },
      { cpu: 1, does: [{ call: "taker", args: [] }] },
    ],
    liberties: [],
    windows: [],
  };
}
