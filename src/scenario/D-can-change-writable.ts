/**
 * D.3. mprotect() gives an entry its write right back at once where no first write has to be noticed. Each condition is there for somebody
 * who wants to notice one; without it, the write goes through unheard.
 *
 *   CPU 0: mprotect(PROT_READ); mprotect(PROT_READ | PROT_WRITE); writes to the page
 *   CPU 1: waits for news of the write: the monitor of a userfaultfd, soft-dirty tracking, a file system, the other owner of the page
 *
 * CPU 1 waits for ever without the condition (progress is broken); upstream every write is heard.
 */

import type { SetupStep } from "../dsl/case.js";
import { u64 } from "../dsl/index.js";
import type { MutantName } from "../kernel/options.js";
import { page } from "../kernel/page.js";
import { entryAt, forEachTable, PTE } from "../kernel/pgtable.js";
import { type Audit, audited } from "./audited.js";
import { scenario } from "./scenario.js";
import { call, store } from "./stage.js";
import { PROTECT, SHARED_FILE, WATCHED_RW } from "./stale-writer.js";

const PROT_READ = 1;
const PROT_READ_WRITE = 3;
const written: SetupStep = { do: "touch", cpu: 0, vpn: 0, kind: 1 };

interface Listener {
  readonly mapping?: bigint;
  readonly entries: readonly string[];
  readonly setup: readonly SetupStep[];
  readonly isRight: Audit;
}

/** The page is one that KSM has merged with page 1. */
const otherOwner: Listener = {
  entries: ["ksm_merge"],
  setup: [
    written,
    { do: "touch", cpu: 0, vpn: 1, kind: 1 },
    { do: "call", cpu: 0, entry: "ksm_merge", args: [0, 0] },
    { do: "call", cpu: 0, entry: "ksm_merge", args: [1, { frameAt: { mm: 0, vpn: 0 } }] },
  ],
  isRight: (k, pte, mm) => {
    const differs = k.var(false, "differs");
    const other = u64.of(1);
    forEachTable(k, mm.root, PTE, other, other.add(1), ({ table }) => {
      differs.set(k.read("ptep_get of page 1", entryAt(k, table, other, PTE)).pfn.ne(pte.pfn));
    });
    return differs.get();
  },
};

const softDirty: Listener = {
  entries: ["clear_refs"],
  setup: [written, { do: "call", cpu: 0, entry: "clear_refs", args: [] }],
  isRight: (_, pte) => pte.soft_dirty,
};

/** A write that needs the monitor is given up until the monitor has been told. */
const monitor: Listener = {
  mapping: WATCHED_RW,
  entries: ["userfaultfd_writeprotect"],
  setup: [written, { do: "call", cpu: 0, entry: "userfaultfd_writeprotect", args: [0, 1, PROTECT] }],
  isRight: (_, pte) => pte.uffd_wp.and(pte.write).not(),
};

const fileSystem: Listener = {
  mapping: SHARED_FILE,
  entries: [],
  setup: [{ do: "touch", cpu: 0, vpn: 0, kind: 0 }],
  isRight: (k, pte) => k.read("folio_test_dirty", page.at(pte.pfn).flags).dirty,
};

function build({ entries, ...listener }: Listener, mutant?: MutantName) {
  return audited({
    ...listener,
    ...(mutant && { mutants: { [mutant]: true } }),
    entries: ["mprotect", ...entries],
    does: [call("mprotect", 0, 1, PROT_READ), call("mprotect", 0, 1, PROT_READ_WRITE), store(0)],
  });
}

const pair = (name: string, listener: Listener, mutant: MutantName, title: string) => ({
  [`without-${name}`]: {
    title: `${title}, which nobody asks about`,
    expected: "unsafe",
    breaks: "progress",
    build: () => build(listener, mutant),
  } as const,
  [name]: { title, expected: "safe", build: () => build(listener) } as const,
});

export const subject = scenario({
  name: "D-can-change-writable",
  question: "Which conditions must hold before mprotect() may give a write right back at once?",
  source: "linux mm/mprotect.c, can_change_pte_writable()",
  variants: {
    ...pair("exclusive", otherOwner, "D-writable-shared-page", "somebody else maps the page"),
    ...pair("soft-dirty", softDirty, "D-writable-untracked", "soft-dirty tracking has not seen a write"),
    ...pair("uffd-wp", monitor, "D-writable-armed", "userfaultfd's monitor wants to hear of a write"),
    ...pair("shared-dirty", fileSystem, "D-writable-clean-file", "the file system has not heard of a write"),
  },
});
