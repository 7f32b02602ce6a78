/** Every invariant is broken on the clock by a kernel that lacks a rule, and by no other; and the report says by what. */
import { describe, expect, test } from "vitest";
import type { RunResult } from "../src/engine/result.js";
import { runProgram, runSimulation } from "../src/engine/run.js";
import type { MUTANTS, Mutants } from "../src/kernel/options.js";
import { kernelProgram } from "../src/kernel/program.js";
import { skylakeSp } from "../src/machine/skylake-sp.js";
import { policyNames, resolveSlots } from "../src/policy/policies.js";
import { LOAD, pageBytes, STORE, type Workload } from "../src/workload/feed.js";
import { PROT_READ, PROT_WRITE, privateWord } from "../src/workload/vma-word.js";
import { type Script, scripted } from "./tiny-workload.js";

const cpus = 4;
/** Pages that share a page table, so that no table is freed when one of them goes. */
const [start, end] = [0x1000, 0x1010];
const page = start + 4;
const readWrite = privateWord(PROT_READ | PROT_WRITE);
/** Cycles after which every thread is at work. */
const soon = 30_000;
/** Longer than any call here. */
const long = 100_000;

/** A build without a rule is assembled here; the others are kept by the engine. */
async function violationsOf(
  workload: Workload,
  policy: string,
  mutants?: Mutants,
): Promise<RunResult["violations"]> {
  const request = { machine: skylakeSp, policy, cpus, seed: 1, workload, workloadName: workload.name };
  if (mutants === undefined) return (await runSimulation(request)).violations;
  const program = kernelProgram(resolveSlots(policy, {}), { cpus, radixBits: 9, mutants });
  return (await runProgram(program, request)).violations;
}

/** Task 0 maps the pages; the others wait for that. Gives what they wait for. */
function mapped(tasks: readonly Script[]): void {
  const rank = tasks[0]!.call("image", start, end, readWrite);
  for (const task of tasks.slice(1)) task.waitCalls(rank);
}

/** One thread uses the page all the time, while another one takes it away. */
const takenAway = scripted("a page in use is unmapped", [0, 0], (tasks) => {
  mapped(tasks);
  const [taker, user] = tasks as [Script, Script];
  user.access(page, STORE).keepUsing(page, LOAD, soon + long);
  taker.compute(soon).call("munmap", page, page + 1);
});

/** The same with the right to write. */
const protectedPage = scripted("a page in use loses the right to write", [0, 0], (tasks) => {
  mapped(tasks);
  const [taker, user] = tasks as [Script, Script];
  user.access(page, STORE).keepUsing(page, STORE, soon + long);
  taker.compute(soon).call("mprotect", page, page + 1, PROT_READ);
});

/** A thread sleeps while its page goes; its CPU stays in the address space. */
const asleep = scripted("a page is unmapped while its user sleeps", [0, 0], (tasks) => {
  mapped(tasks);
  const [taker, user] = tasks as [Script, Script];
  user.access(page, STORE);
  taker.compute(soon);
  user.waitCalls(taker.call("munmap", page, page + 1)).access(page, LOAD);
});

/** A thread sleeps while its page goes, and its CPU runs a thread of another process meanwhile. */
const switchedOut = scripted(
  "a page is unmapped while another process has its user's CPU",
  [0, 0, 0, 0, 0, null],
  (tasks) => {
    mapped(tasks.slice(0, 2));
    const [taker, user] = tasks as [Script, Script];
    const stranger = tasks[1 + cpus]!;
    user.access(page, STORE).start(stranger.task, 1);
    stranger.compute(soon + long);
    taker.compute(soon);
    user.waitCalls(taker.call("munmap", page, page + 1)).access(page, LOAD);
  },
);

/**
 * A process forks while one of its threads writes to a page all the time; another thread, which has not written to the
 * page yet, is the first one to copy it.
 */
const copied = scripted("a page in use is copied after a fork", [0, 0, 0, null], (tasks) => {
  mapped(tasks.slice(0, 3));
  const [parent, writer, copier, child] = tasks as [Script, Script, Script, Script];
  writer.access(page, STORE).keepUsing(page, STORE, soon + 2 * long);
  parent.compute(soon);
  const forked = parent.call("fork", 1, child.task);
  parent.start(child.task);
  copier.waitCalls(forked).access(page, STORE);
});

interface Canary {
  readonly workload: Workload;
  readonly invariant: RunResult["violations"][number]["invariant"];
  /** The policy `never`, or today's Linux in a build without one rule. */
  readonly broken: "never" | keyof typeof MUTANTS;
  readonly access: "load" | "store";
  /** Steps: the one that changed the page table, and the one that a flush should have come before. */
  readonly made: readonly [routine: string, label: string];
  readonly late: readonly [routine: string, label: string];
}

const zapped = ["zap_present_ptes", "ptep_get_and_clear"] as const;
const freed = ["folio_put", "free_frozen_pages"] as const;
const frame = { invariant: "stale-frame", access: "load", made: zapped, late: freed } as const;
const right = {
  invariant: "stale-right",
  access: "store",
  made: ["change_pte_range", "ptep_modify_prot_commit"],
  late: ["mprotect", "promise"],
} as const;
const write = {
  invariant: "lost-write",
  access: "store",
  made: ["copy_present_ptes", "ptep_set_wrprotect"],
  late: ["wp_page_copy", "__wp_page_copy_user"],
} as const;

const canaries: readonly Canary[] = [
  { workload: takenAway, broken: "never", ...frame },
  { workload: takenAway, broken: "B-order-free", ...frame },
  { workload: asleep, broken: "A-lazy-no-catch-up", ...frame },
  { workload: switchedOut, broken: "A-slot-no-catch-up", ...frame },
  { workload: protectedPage, broken: "never", ...right },
  { workload: protectedPage, broken: "D-wrprotect-no-flush", ...right },
  { workload: copied, broken: "never", ...write },
  { workload: copied, broken: "fork-no-flush", ...write },
];

/** The thread that does what it should not be able to do any more, and its CPU. */
const culprit = 1;

test.each(canaries)("$broken is $invariant: $workload.name", async ({ workload, broken, ...expected }) => {
  const found =
    broken === "never"
      ? await violationsOf(workload, "never")
      : await violationsOf(workload, "deferred", { [broken]: true });
  const violation = found.find(({ invariant }) => invariant === expected.invariant);
  expect(violation?.count).toBeGreaterThan(0);
  const { made, broken: late, text, time, ...rest } = violation!.first;
  const va = `0x${(page * pageBytes).toString(16)}`;
  expect(rest).toMatchObject({ cpu: culprit, task: culprit, va, access: expected.access });
  expect([made?.routine, made?.label]).toEqual(expected.made);
  expect([late?.routine, late?.label]).toEqual(expected.late);
  expect(time).toBeGreaterThan(soon);
  for (const part of [`CPU ${culprit}`, va, expected.made[0], expected.late[0]]) expect(text).toContain(part);
});

const workloads = [takenAway, asleep, switchedOut, protectedPage, copied];
const policies = policyNames.filter((name) => name !== "never");

describe.each(workloads)("$name", (workload) => {
  test.each(policies)("is safe under %s", async (policy) => {
    expect(await violationsOf(workload, policy)).toEqual([]);
  });
});

test("every workload has a canary", () => {
  expect(new Set(canaries.map(({ workload }) => workload))).toEqual(new Set(workloads));
});
