/**
 * D-retry-skip. A write fault has slept until the monitor lifted the write protection. Linux starts the fault all over; it could as well look
 * whether the entry allows the write by now, and be done.
 *
 *   CPU 0: writes, faults, tells the monitor and sleeps
 *   CPU 1: lifts the protection; wakes CPU 0; protects the page again
 *   CPU 0: has seen that the entry allows the write, is done, and the write comes too late: it faults again, and asks again
 *
 * safe with and without the retry, and even without a look: the access itself is what is tried again, by the hardware and not by what
 * the fault has seen. What a retry costs is a second fault for each page: mmap_lock and the page-table lock for nothing.
 */

import {
  type Bool,
  type Builder,
  type Expr,
  type ProgramSource,
  program,
  record,
  routine,
  type U64,
  u64,
  type Var,
} from "../dsl/index.js";
import { current_mm, type Mm } from "../kernel/mm_types.js";
import { policy } from "../policy/policies.js";
import { populatePages, withPte } from "./pages.js";
import { scenario } from "./scenario.js";
import { call, stage, store, threadsOf } from "./stage.js";
import { AT_ONCE, PROTECT, RESOLVE, WATCHED_RW } from "./stale-writer.js";

type AfterWaking = "retry" | "look" | "nothing";

const monitor = record("global", { faults: u64, served: u64 });
const { faults, served } = monitor.at();
const WOKEN = "woken by the monitor";
/** More faults than a thread with one access can have. */
const MANY = 100;

/** Whether the monitor has protected the page, under its lock. */
const armedNow = routine("userfaultfd_pte_wp", (k: Builder, mm: Mm, vpn: Expr<U64>, into: Var<Bool>) => {
  withPte(k, mm, vpn, (pte) => into.set(k.read("ptep_get", pte).uffd_wp));
});

/**
 * A write fault on a page that is mapped, and that the monitor may have protected.
 *
 * Source: linux fs/userfaultfd.c, handle_userfault(), and arch/x86/mm/fault.c, the retry in do_user_addr_fault().
 */
function sleepingFault(after: AfterWaking): ProgramSource {
  return program("page_fault", ["vpn", "access"], (k, { vpn }) => {
    const mm = current_mm(k);
    const armed = k.var(true, "armed");
    k.while(
      () => armed.get(),
      () => {
        k.readLocked(mm.mmap_lock, () => armedNow(k, mm, vpn, armed));
        k.if(armed.get(), () => {
          const mine = k.addReturn("userfault_msg", faults, 1);
          k.mightSleep("schedule");
          k.await("woken", served, "ge", mine);
          k.window(WOKEN);
          if (after === "nothing") armed.set(false);
          if (after === "look") armedNow(k, mm, vpn, armed);
        });
      },
    );
  });
}

/** Goes on when the monitor has been asked so many times. */
function hear(): ProgramSource {
  return program("read_userfault_msg", ["times"], (k, { times }) => {
    k.await("poll", faults, "ge", times);
  });
}

function wake(): ProgramSource {
  return program("userfaultfd_wake", ["times"], (k, { times }) => {
    k.write("wake_userfault", served, times);
  });
}

function build(after: AfterWaking) {
  const sleeps = policy({
    name: "sleeping-faults",
    title: "write faults sleep until the monitor wakes them",
    programs: () => [sleepingFault(after)],
  });
  return stage({
    policy: sleeps,
    set: AT_ONCE,
    entries: ["userfaultfd_writeprotect"],
    extra: () => [hear(), wake(), populatePages()],
    records: [monitor],
    machine: { cpus: 2, mms: 1, tasks: 2, tables: 6, frames: 4, storeBuffer: 2, tlb: { sets: 1, ways: 1 } },
    setup: [
      ...threadsOf(0, 2),
      { do: "call", cpu: 0, entry: "mmap", args: [0, 1, WATCHED_RW] },
      { do: "call", cpu: 0, entry: "populate", args: [1] },
      { do: "call", cpu: 0, entry: "userfaultfd_writeprotect", args: [0, 1, PROTECT] },
    ],
    threads: [
      { cpu: 0, does: [store(0)] },
      {
        cpu: 1,
        does: [
          call("read_userfault_msg", 1),
          call("userfaultfd_writeprotect", 0, 1, RESOLVE),
          call("userfaultfd_wake", 1),
          call("userfaultfd_writeprotect", 0, 1, PROTECT),
          call("userfaultfd_writeprotect", 0, 1, RESOLVE),
          call("userfaultfd_wake", MANY),
        ],
      },
    ],
    windows: [WOKEN, "protected, unlocked, TLBs still warm"],
  });
}

export const subject = scenario({
  name: "D-retry-skip",
  question: "May a fault that userfaultfd's monitor has woken be done without being tried again?",
  source: "Nadav Amit, linux-mm, 2022-06-27, on ACCESS_LIKELY and WRITE_LIKELY; linux fs/userfaultfd.c",
  variants: {
    retry: {
      title: "the fault starts all over, as in Linux",
      expected: "safe",
      build: () => build("retry"),
    },
    "skip-if-allowed": {
      title: "the fault is done if the entry allows the write by now",
      expected: "safe",
      build: () => build("look"),
    },
    skip: { title: "the fault is done", expected: "safe", build: () => build("nothing") },
  },
});
