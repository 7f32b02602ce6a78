/**
 * C6. A page that is free for the taking is about to be dropped while a device driver takes a reference to it without any lock.
 *
 *   CPU 1: reclaim counts the users of the page: itself and one mapping
 *   CPU 2: takes a reference; the entry is still there: the page is pinned
 *   CPU 1: the cleared entry becomes visible; the page is clean and has no other users: dropped
 *   CPU 2: the device stores to a page that nobody will ever read again
 *
 * unsafe when the users are counted before the cleared entry is visible, as without the fence between the two; safe with it: the other
 * side takes its reference first and looks at the entry then, so one of the two sees the other. Also unsafe when reclaim does not look
 * whether the page was written to again.
 *
 * CPU 2 stands for the device: it is in no mask, so it has a translation that nobody flushes, and gives it up when the reference could
 * not be taken.
 */

import { type ProgramSource, program } from "../dsl/index.js";
import type { Mutants } from "../kernel/options.js";
import { folio_put, page } from "../kernel/page.js";
import { entryAt, forEachTable, PTE } from "../kernel/pgtable.js";
import { mmNumber } from "./pages.js";
import { pageout, pageoutFolio, reclaimed, UNMAPPED, USER } from "./reclaimed.js";
import { scenario } from "./scenario.js";
import { call, store } from "./stage.js";

const MADV_FREE = 8;

/** Source: linux mm/gup.c, gup_fast_pte_range(). Without success, the device forgets the page. */
function gupFast(): ProgramSource {
  return program("gup_fast", ["mm", "vpn"], (k, args) => {
    const mm = mmNumber(k, args.mm);
    const pinned = k.var(false, "pinned");
    k.irqsOff(() => {
      forEachTable(k, mm.root, PTE, args.vpn, args.vpn.add(1), ({ table }) => {
        const entry = entryAt(k, table, args.vpn, PTE);
        const pte = k.read("ptep_get_lockless", entry);
        k.if(pte.present, () => {
          const references = k.read("folio_ref_count", page.at(pte.pfn)._refcount);
          const got = k.var(references.ne(0), "got");
          k.if(got.get(), () =>
            got.set(k.cmpxchg("folio_try_get", page.at(pte.pfn)._refcount, references, references.add(1))),
          );
          k.if(got.get(), () => {
            const again = k.read("ptep_get again", entry);
            pinned.set(again.eq(pte));
            k.if(pinned.get().not(), () => folio_put(k, pte.pfn));
          });
        });
      });
      k.if(pinned.get().not(), () => k.invlpg("the device lets go", args.vpn));
    });
    k.if(pinned.get(), () => k.window("pinned without a lock"));
  });
}

const ONLY_CPU_0 = 1;

/** The user has freed the page lazily; the device has a translation from before, by which it stores without a look at the entry. */
function build(mutants: Mutants) {
  return reclaimed({
    mutants,
    entries: ["madvise"],
    extra: (opt) => [pageoutFolio(opt), gupFast()],
    caller: true,
    setup: [
      { do: "set", record: "mm", index: 0, field: "mm_cpumask", value: ONLY_CPU_0 },
      // Over a hole, for which nothing is promised: no flush reaches the device.
      { do: "call", cpu: 0, entry: "madvise", args: [0, 2, MADV_FREE] },
    ],
    does: [[], [pageout(0)], [call("gup_fast", 0, 0), store(0)]],
    liberties: [],
    windows: [UNMAPPED, "pinned without a lock"],
  });
}

/** The user itself writes again. */
function rewritten(ignored: boolean) {
  return reclaimed({
    mutants: { "C-discard-dirty": ignored },
    entries: ["madvise"],
    extra: (opt) => [pageoutFolio(opt)],
    caller: true,
    setup: [{ do: "call", cpu: 0, entry: "madvise", args: [0, 1, MADV_FREE] }],
    does: [[], [pageout(0)]],
    liberties: [{ cpu: USER, may: "touch", vpn: 0, kind: 1 }],
    windows: [UNMAPPED],
  });
}

export const subject = scenario({
  name: "C6-madvfree-gup",
  question: "May reclaim drop a lazily freed page while somebody takes a reference to it?",
  source: "linux 6c8e2a256915 (2022), mm: fix race between MADV_FREE reclaim and blkdev direct IO read",
  variants: {
    "no-fence": {
      title: "users are counted before the cleared entry is visible",
      expected: "unsafe",
      breaks: "lost-dirty",
      build: () => build({ "C-discard-fence": true }),
    },
    upstream: {
      title: "clear, fence, count the users, fence, look whether it is dirty",
      expected: "safe",
      build: () => build({}),
    },
    "dirty-ignored": {
      title: "a page that was written to again is dropped",
      expected: "unsafe",
      breaks: "lost-dirty",
      build: () => rewritten(true),
    },
    "dirty-restored": {
      title: "a page that was written to again stays",
      expected: "safe",
      build: () => rewritten(false),
    },
  },
});
