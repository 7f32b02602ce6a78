/**
 * B-mkclean-mms. A file is mapped by two processes, and one of them has a page of it written back.
 *
 *   CPU 1: in address space 1, has the page writable and dirty in its TLB
 *   CPU 0: in address space 0, msync(): write-protects the page, calls it clean, starts to write it back
 *   CPU 1: writes to it
 *
 * one-mm: address space 1 keeps an entry that allows the write, so that the file system does not hear of it, and no later msync() writes it
 * (CPU 0 waits for ever). one-flush: the entry is protected, but the translation is not flushed: nobody will ever know of the write.
 * Upstream comes from the page to all entries that map it, and flushes each in its own address space.
 */

import { type ProgramSource, program, record, u64 } from "../dsl/index.js";
import { mmNumber, withPte } from "./pages.js";
import { scenario } from "./scenario.js";
import { call, stage } from "./stage.js";
import { AT_ONCE, SHARED_FILE } from "./stale-writer.js";

/** CPUs, tasks and address spaces have the same numbers; so have the pages at which they map the file's page 0. */
const [CALLER, WRITER] = [0, 1];
/** Offsets in a mapping count modulo so many pages. */
const OFFSETS = 1n << 44n;

const news = record("global", { told: u64 });

/** Waits until a write to the page by address space `mm` would fault, which is how a file system hears of it. */
function awaitNotice(): ProgramSource {
  return program("await_notice", ["mm", "vpn"], (k, { mm, vpn }) => {
    const { told } = news.at();
    withPte(k, mmNumber(k, mm), vpn, (pte) => {
      const seen = k.read("ptep_get", pte);
      k.if(seen.write.not(), () => k.write("tell", told, 1));
    });
    k.await("told", told, "ne", 0);
  });
}

function mapped(cpu: number) {
  return [
    { do: "task", task: cpu, mm: cpu },
    { do: "switch", cpu, task: cpu },
    {
      do: "call",
      cpu,
      entry: "mmap",
      args: [cpu, cpu + 1, SHARED_FILE | (((OFFSETS - BigInt(cpu)) % OFFSETS) << 20n)],
    },
    { do: "touch", cpu, vpn: cpu, kind: 1 },
  ] as const;
}

type Broken = "B-mkclean-one-mm" | "B-mkclean-one-flush";

function build(broken?: Broken, interrupts = false) {
  return stage({
    set: interrupts ? {} : AT_ONCE,
    ...(broken && { mutants: { [broken]: true } }),
    entries: ["msync"],
    extra: () => [awaitNotice()],
    records: [news],
    machine: { tables: 12, frames: 4, tasks: 2, storeBuffer: 2, tlb: { sets: 2, ways: 1 } },
    setup: [...mapped(CALLER), ...mapped(WRITER)],
    threads: [{ cpu: CALLER, does: [call("msync", 0, 1), call("await_notice", WRITER, WRITER)] }],
    liberties: [{ cpu: WRITER, may: "touch", vpn: WRITER, kind: 1 }],
    windows: ["writing back, judged clean"],
  });
}

export const subject = scenario({
  name: "B-mkclean-mms",
  question: "Must write-back look for a page in all address spaces that map it?",
  source: "linux mm/rmap.c, folio_mkclean(); commit d08b3851da41 (2006), mm: tracking shared dirty pages",
  variants: {
    "one-mm": {
      title: "it write-protects the page for its caller only",
      expected: "unsafe",
      breaks: "progress",
      build: () => build("B-mkclean-one-mm"),
    },
    "one-flush": {
      title: "it write-protects the page everywhere, and flushes for its caller only",
      expected: "unsafe",
      breaks: "lost-dirty",
      build: () => build("B-mkclean-one-flush"),
    },
    upstream: {
      title: "it write-protects and flushes the page wherever it is mapped",
      expected: "safe",
      build: () => build(),
    },
    "upstream-ipi": {
      title: "the same with flushes by interrupts",
      expected: "safe",
      build: () => build(undefined, true),
    },
  },
});
